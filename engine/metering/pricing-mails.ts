import { rfc3339Seconds, type Clock } from "../clock.ts";
import type { PricingNoticeId, WorkspaceId } from "../ids.ts";
import type { Log } from "../log.ts";
import type { MailQueue } from "../mail/mail-queue.ts";
import { Poll } from "../poll.ts";
import { ownersOf } from "../store/members.ts";
import {
  changesOfNotice,
  countOfNotice,
  moveNotice,
  unmailedNotice,
  workspacesAfter,
} from "../store/pricing-changes.ts";
import type { ReadTx, Store } from "../store/store.ts";
import { changeView, type PriceUnit } from "./pricing-notices.ts";

const lookEveryMs = 60_000;
/** Workspaces a transaction. */
const batch = 100;
/** More are read in the list. */
const changesInMailMax = 50;

/** Mails what everybody will pay to every owner, once to each address; who joins later reads it in the list. */
export class PricingMails {
  readonly #store: Store;
  readonly #mails: MailQueue;
  readonly #clock: Clock;
  readonly #poll: Poll;

  constructor({ store, mails, clock, log }: { store: Store; mails: MailQueue; clock: Clock; log: Log }) {
    this.#store = store;
    this.#mails = mails;
    this.#clock = clock;
    this.#poll = new Poll(
      clock,
      lookEveryMs,
      () => this.look(),
      (error) => log.error({ err: error }, "Changes of prices could not be mailed yet."),
    );
  }

  start(): void {
    this.#poll.start();
  }

  stop(): Promise<void> {
    return this.#poll.stop();
  }

  /** Queues what is due, so many workspaces a transaction, each of which remembers how far it came. */
  async look(): Promise<void> {
    while (await this.step());
  }

  /** One transaction. False: nothing is due. */
  async step(): Promise<boolean> {
    const notice = await this.#store.read(unmailedNotice);
    if (!notice) return false;
    await this.#store.write(async (tx) => {
      const found = await workspacesAfter(tx, notice.mailedUpTo, batch);
      const mailedUpTo: WorkspaceId | "" = found.at(-1)?.id ?? notice.mailedUpTo;
      const mailedAtMs = found.length < batch ? this.#clock.nowMs() : null;
      if (!(await moveNotice(tx, notice, { mailedUpTo, mailedAtMs }))) return;
      const text = await this.#text(tx, notice.id);
      for (const { id } of found)
        await this.#mails.send(tx, {
          key: `pricing ${notice.id}`,
          // Whoever owns several has it once, for all of them.
          workspaceId: null,
          to: await ownersOf(tx, id),
          subject: "Sautikit: prices change",
          text,
        });
    });
    return true;
  }

  async #text(tx: ReadTx, id: PricingNoticeId): Promise<string> {
    const changes = await changesOfNotice(tx, id, changesInMailMax);
    const lines = changes.map((row) => {
      const { title, before, after, unit } = changeView(row);
      const then =
        after === null ? "is not offered any more" : `${after} instead of ${before} ${units[unit]}`;
      return `- from ${rfc3339Seconds(row.effectiveAtMs)}: ${title}: ${then}`;
    });
    const more = (await countOfNotice(tx, id)) - changes.length;
    return [
      "Habari,",
      "these prices change:",
      "",
      ...lines,
      ...(more > 0 ? [`- and ${more} more.`] : []),
      "",
      "All changes that are to come are listed at GET /v1/public/pricing/changes, and what a call to a number costs",
      "at GET /v1/rates?to=+254… . Calls that run when a price changes go on at the price with which they began.",
      "",
    ].join("\n");
  }
}

const units: Record<PriceUnit, string> = {
  kes_per_minute: "KES a minute",
  kes_per_month: "KES a month",
  kes_per_gb_month: "KES a GB and month",
  gb: "GB",
  percent: "%",
};
