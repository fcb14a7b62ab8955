import type { Clock } from "../../clock.ts";
import type { Ids } from "../../ids.ts";
import type { SipAgent } from "../sip/call.ts";
import type { Channel } from "./channel.ts";
import type { DevicesProfile } from "./devices.ts";
import type { EventBus } from "./event-bus.ts";
import type { Gateways } from "./gateways.ts";
import type { Room } from "./room.ts";
import type { Scheduler } from "./scheduler.ts";

/** What the parts of the simulated switch share; built once, in simulated-switch.ts. */
export interface Core {
  readonly clock: Clock;
  readonly ids: Ids;
  readonly events: EventBus;
  readonly scheduler: Scheduler;
  readonly sip: SipAgent;
  /** Null: this one serves no devices. */
  readonly devices: DevicesProfile | null;
  readonly gateways: Gateways;
  readonly cdrDir: string;
  readonly startedAtMs: number;
  /** Every channel from its creation until its DESTROY. */
  readonly channels: Map<string, Channel>;
  /** Of mod_conference, by name; each from its first member to its last. */
  readonly rooms: Map<string, Room>;
  /** Runs an API command as a client or a hook would; the reply is FreeSWITCH's text. */
  api(line: string): Promise<string>;
  /** Dials as `originate` does, for whoever waits for the answer; what it returns gives all of it up. */
  dial(target: Target, dialler: Dialler): { cancel(): void };
}

export interface Target {
  variables: ReadonlyMap<string, string>;
  branches: { variables: ReadonlyMap<string, string>; destination: string }[];
}

/** Told one of the two ends, once, and before it perhaps that somebody rings. */
export interface Dialler {
  won: (winner: Channel) => void;
  failed: (cause: string) => void;
  rings?: () => void;
}

/** The core's tick; state steps and stamps are quantised to it. */
export const tickMs = 20;

/** A channel that commands can still reach: one that was told to hang up is gone for them at once. */
export function liveChannel(core: Core, uuid: string | undefined): Channel | null {
  const channel = uuid === undefined ? undefined : core.channels.get(uuid);
  return channel === undefined || channel.cause !== null ? null : channel;
}

export function newUuid(ids: Ids): string {
  const bytes = ids.bytes(16);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x40, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
