import type { Clock } from "../clock.ts";
import type { Trunks } from "../sip/trunks/trunks.ts";
import type { Policy } from "../policy/policy.ts";
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
  /** Told of each call that is changed. */
  traces: Pick<CallTraces, "note">;
  /** Called after the commit: the call, or the room, has intents to carry out, or wants to be woken at another time. */
  changed: (owner: IntentOwner) => void;
}
