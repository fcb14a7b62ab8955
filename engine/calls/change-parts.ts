import type { Clock } from "../clock.ts";
import type { Outbox } from "../webhooks/outbox.ts";
import type { Settlement } from "../metering/settlement.ts";
import type { CallId, Ids } from "../ids.ts";

/** What a change of a call needs beside its transaction. */
export interface ChangeParts {
  clock: Clock;
  ids: Ids;
  outbox: Outbox;
  settlement: Settlement;
  /** Called after the commit: the call has intents to carry out, or wants to be woken at another time. */
  changed: (callId: CallId) => void;
}
