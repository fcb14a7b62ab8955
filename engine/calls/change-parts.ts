import type { Clock } from "../clock.ts";
import type { Trunks } from "../sip/trunks/trunks.ts";
import type { Policy } from "../policy/policy.ts";
import type { LegStatus } from "../store/calls.ts";
import type { HangupCause } from "../switch/switch.ts";
import type { Outbox } from "../webhooks/outbox.ts";
import type { Settlement } from "../metering/settlement.ts";
import type { Ids, IntentOwner } from "../ids.ts";
import type { CallTraces } from "./call-traces.ts";

/** What a change of a call needs beside its transaction. */
export interface ChangeParts {
  clock: Clock;
  ids: Ids;
  outbox: Outbox;
  settlement: Settlement;
  /** What each leg passes before it is dialled. */
  policy: Pick<Policy, "admit" | "requireAllowed" | "note">;
  /** Over which trunk a number is dialled. */
  trunks: Pick<Trunks, "choose">;
  /** How a box is reached by the others, for devices that are at it. */
  peers: Peers;
  /** Told of each call that is changed. */
  traces: Pick<CallTraces, "note">;
  /** Called after the commit: the call, or the room, has intents to carry out, or wants to be woken at another time. */
  changed: (owner: IntentOwner) => void;
  /** Called after the commit, for the metrics: what came of a leg, or of an attempt at it. */
  legOver?: (outcome: LegOutcome) => void;
}

export interface Peers {
  /** Null: by none. */
  addressOf(box: string): { host: string; port: number } | null;
  isUp(box: string): boolean;
  /** Whether one of them is at that address: they take each other's calls. */
  isAt(address: string): boolean;
}

/** Where no device is rung, or there is one box. */
export const noPeers: Peers = { addressOf: () => null, isUp: () => false, isAt: () => false };

/** Which boxes are to get no new calls, before their maintenance. */
export interface Drains {
  isDraining(box: string): boolean;
  allDraining(): boolean;
}

export interface LegOutcome {
  direction: "outbound" | "inbound";
  /** Null: it was dialled over none. */
  trunk: string | null;
  /** `failed_over`: the next trunk tries. */
  status: LegStatus | "failed_over";
  cause: HangupCause;
  /** From dialling to the first ringing, ms; null: it never rang. */
  postDialDelayMs: number | null;
}
