import type { Clock } from "../clock.ts";
import { spokenTime } from "../east-africa-time.ts";
import type { PricingNoticeId } from "../ids.ts";
import type { Log } from "../log.ts";
import type { MailQueue } from "../mail/mail-queue.ts";
import { Poll } from "../poll.ts";
import { recipientsOf } from "../store/mails.ts";
import { ownersOf } from "../store/members.ts";
import {
  changesOfNotice,
  countOfNotice,
  moveNotice,
  unmailedNotice,
  workspacesAfter,
  type PricingNoticeRow,
} from "../store/pricing-changes.ts";
import type { ReadTx, Store } from "../store/store.ts";
import { changeView, type PriceUnit } from "./pricing-notices.ts";

const lookEveryMs = 60_000;
/** Workspaces, or who was told, a transaction. */
const batch = 100;
/** More are read in the list. */
const changesInMailMax = 50;

export interface PricingMailsParts {
  store: Store;
  mails: MailQueue;
  clock: Clock;
  log: Log;
  /** Where customers reach the API, without a slash at the end. */
  publicUrl: () => string;
}

/** Mails what everybody will pay to every owner, once to each address; who joins later reads it in the list. What is withdrawn, to whoever was told. */
export class PricingMails {
  readonly #store: Store;
  readonly #mails: MailQueue;
  readonly #clock: Clock;
  readonly #publicUrl: () => string;
  readonly #poll: Poll;

  constructor({ store, mails, clock, log, publicUrl }: PricingMailsParts) {
    this.#publicUrl = publicUrl;
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

  /** Queues what is due, so many a transaction, each of which remembers how far it came. */
  async look(): Promise<void> {
    while (await this.step());
  }

  /** One transaction. False: nothing is due. */
  async step(): Promise<boolean> {
    const notice = await this.#store.read(unmailedNotice);
    if (!notice) return false;
    await this.#store.write(async (tx) => {
      const { to, mailedUpTo, more } =
        notice.withdrawsId === null ? await owners(tx, notice) : await told(tx, notice, notice.withdrawsId);
      const mailedAtMs = more ? null : this.#clock.nowMs();
      if (!(await moveNotice(tx, notice, { mailedUpTo, mailedAtMs }))) return;
      const text = await textOf(tx, notice, this.#publicUrl());
      // All of it was taken back meanwhile.
      if (text === null) return;
      const subject =
        notice.withdrawsId === null ? "Sautikit: prices change" : "Sautikit: a change of prices is withdrawn";
      // Whoever owns several workspaces has it once, for all of them.
      for (const recipient of to)
        await this.#mails.send(tx, {
          ...{ key: keyOf(notice.id), workspaceId: null, to: [recipient], subject, text },
        });
    });
    return true;
  }
}

const keyOf = (id: PricingNoticeId) => `pricing ${id}`;

interface Addressees {
  to: string[];
  mailedUpTo: string;
  more: boolean;
}

/** Of the next workspaces. */
async function owners(tx: ReadTx, { mailedUpTo }: PricingNoticeRow): Promise<Addressees> {
  const found = await workspacesAfter(tx, mailedUpTo, batch);
  const to: string[] = [];
  for (const { id } of found) to.push(...(await ownersOf(tx, id)));
  return { to, mailedUpTo: found.at(-1)?.id ?? mailedUpTo, more: found.length === batch };
}

/** Of those who have a mail of what is withdrawn, the next; who got theirs since was told of what was left of it. */
async function told(
  tx: ReadTx,
  { mailedUpTo, createdAtMs }: PricingNoticeRow,
  withdrawsId: PricingNoticeId,
): Promise<Addressees> {
  const page = { untilMs: createdAtMs, after: mailedUpTo, limit: batch };
  const found = await recipientsOf(tx, keyOf(withdrawsId), page);
  return {
    to: found.map(({ recipient }) => recipient),
    mailedUpTo: found.at(-1)?.onceKey ?? mailedUpTo,
    more: found.length === batch,
  };
}

/** Null: there is nothing left to tell. */
async function textOf(tx: ReadTx, notice: PricingNoticeRow, publicUrl: string): Promise<string | null> {
  const changes = await changesOfNotice(tx, notice, changesInMailMax);
  if (changes.length === 0) return null;
  const lines = changes.map((row) => {
    const { title, before, after, unit } = changeView(row);
    const then =
      after === null
        ? "is not offered any more"
        : `${amountOf[unit](after, true)} instead of ${amountOf[unit](before)}`;
    return `- from ${spokenTime(row.effectiveAtMs)}: ${title}: ${then}`;
  });
  const more = (await countOfNotice(tx, notice)) - changes.length;
  return [
    ...(notice.withdrawsId === null
      ? ["These prices change:"]
      : ["These changes of prices, of which we told you, do not come:"]),
    "",
    ...lines,
    ...(more > 0 ? [`- and ${more} more.`] : []),
    "",
    `All changes that are to come are listed at ${publicUrl}/v1/public/pricing/changes, and with an API key`,
    `${publicUrl}/v1/rates?to=+254… says what a call to a number costs. Calls that run when a price changes go on at the price with which they began.`,
    "",
  ].join("\n");
}

/** `KES 3.50 a minute`, and of what it was `KES 3.00`. */
type Spoken = (amount: number, whole?: boolean) => string;
const shillings =
  (each: string): Spoken =>
  (amount, whole = false) =>
    `KES ${decimals(amount)}${whole ? ` a ${each}` : ""}`;

const amountOf: Record<PriceUnit, Spoken> = {
  kes_per_minute: shillings("minute"),
  kes_per_month: shillings("month"),
  kes_per_gb_month: shillings("GB and month"),
  gb: (amount) => `${amount} GB`,
  percent: (amount) => `${amount} %`,
};

/** Two, and more only where a price has them. */
const decimals = (amount: number) =>
  Number.isInteger(Math.round(amount * 1e6) / 1e4) ? amount.toFixed(2) : String(amount);
