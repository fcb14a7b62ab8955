import type { DeliveryId } from "../ids.ts";
import type { Destination, DueDelivery } from "../store/deliveries.ts";

/** The deliveries of one workspace to one host, as far as they are on the move. */
export interface Lane {
  key: string;
  destination: Destination;
  inFlight: Set<DeliveryId>;
  /** Calls (by URL) whose later events wait, and the delivery they wait for. */
  holding: Map<string, DeliveryId>;
  /** The last try timed out: until one does not, the host gets a single request at a time. */
  hangs: boolean;
}

export const newLane = (key: string, destination: Destination): Lane => ({
  key,
  destination,
  inFlight: new Set(),
  holding: new Map(),
  hangs: false,
});

/** First tries of one call to one URL go out in order; null: no order to keep (a retry, or not of a call). */
export const orderKey = ({ callId, url, attempts }: DueDelivery): string | null =>
  callId === null || attempts > 0 ? null : `${callId} ${url}`;

/** Of a lane's due deliveries, in order, up to `room` of those that are not out and not held back. */
export function pick(lane: Lane, due: readonly DueDelivery[], room: number): DueDelivery[] {
  const held = new Set(lane.holding.keys());
  const free = due.filter((delivery) => {
    if (lane.inFlight.has(delivery.id)) return false;
    const key = orderKey(delivery);
    if (key === null) return true;
    if (held.has(key)) return false;
    held.add(key);
    return true;
  });
  return free.slice(0, room);
}
