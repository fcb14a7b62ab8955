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
  const waiting = due.filter(({ id }) => !lane.inFlight.has(id));
  const first = new Map<string, DueDelivery>();
  for (const delivery of waiting) {
    const key = orderKey(delivery);
    const before = key === null ? undefined : first.get(key);
    if (key !== null && (!before || isEarlier(delivery, before))) first.set(key, delivery);
  }
  const free = waiting.filter((delivery) => {
    const key = orderKey(delivery);
    return key === null || (first.get(key) === delivery && !lane.holding.has(key));
  });
  return free.slice(0, room);
}

/** Of the same call: ids go by the clocks of the machines that queued them, or by one that was set back in between. */
const isEarlier = (one: DueDelivery, other: DueDelivery): boolean =>
  one.sequence !== null && other.sequence !== null && one.sequence < other.sequence;
