import { noPeers } from "../engine/calls/change-parts.ts";
import { CallTraces } from "../engine/calls/call-traces.ts";
import { Calls } from "../engine/calls/calls.ts";
import type { Clock } from "../engine/clock.ts";
import type { Ids } from "../engine/ids.ts";
import { createMailQueue } from "../engine/mail/mail-queue.ts";
import { createPromptUrls } from "../engine/media/prompt-urls.ts";
import { createSettlement } from "../engine/metering/settlement.ts";
import { Policy } from "../engine/policy/policy.ts";
import { loneTrunk } from "../engine/sip/trunks/trunks.ts";
import { createOutbox } from "../engine/webhooks/outbox.ts";
import type { Config } from "./config.ts";
import { openLedger } from "./open-ledger.ts";

/** Of the simulated switch. */
export const embeddedBox = "embedded";

/** The boxes that there are, one at least. */
export const boxNamesOf = ({ boxes }: Pick<Config, "boxes">): [string, ...string[]] => {
  const [first = embeddedBox, ...others] = boxes.map(({ box }) => box);
  return [first, ...others];
};

/** What customers do with calls, for commands: the controller, another process, looks by itself. */
export function openCalls(config: Config, { clock, ids }: { clock: Clock; ids: Ids }): Calls {
  const wake = () => undefined;
  const changed = wake;
  const outbox = createOutbox({ clock, ids, wake });
  const mails = createMailQueue({ clock, ids, wake });
  return new Calls({
    ...{ clock, ids, outbox, changed, box: () => boxNamesOf(config)[0], traces: new CallTraces() },
    peers: noPeers,
    trunks: loneTrunk(config.gateway, ids),
    policy: new Policy({ clock, ids, outbox, mails }),
    settlement: createSettlement({ ledger: openLedger({ clock, ids, changed, outbox, mails }) }),
    promptUrls: createPromptUrls(() => config.publicUrl ?? `http://${config.host}:${config.port}`),
  });
}
