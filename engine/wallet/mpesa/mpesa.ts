import type { Clock } from "../../clock.ts";
import type { Ids } from "../../ids.ts";
import type { Log } from "../../log.ts";
import { Poll } from "../../poll.ts";
import type { Store } from "../../store/store.ts";
import type { Outbox } from "../../webhooks/outbox.ts";
import type { Ledger } from "../ledger.ts";
import type { CallbackUrls } from "./callback-urls.ts";
import type { Daraja } from "./daraja.ts";
import { NoticeWork } from "./notice-work.ts";
import { Payments } from "./payments.ts";
import { Pushes } from "./pushes.ts";
import { Queries } from "./queries.ts";
import { Reconciliation } from "./reconciliation.ts";

export interface MpesaParts {
  store: Store;
  clock: Clock;
  ids: Ids;
  log: Log;
  ledger: Ledger;
  outbox: Outbox;
  daraja: Pick<Daraja, "ready" | "push" | "query" | "pull" | "askStatus" | "shortcode" | "stop">;
  urls: CallbackUrls;
  verifyAboveMinor: number;
  pulls: boolean;
}

/** What another process stored is found within this. */
const everyMs = 1_000;
/** At a stop an answer of Daraja's is waited for so long: far less than process managers wait for us. */
const graceMs = 2_000;

/** All that is done about M-Pesa in the background, from the store: any of it can be cut off and begun again. */
export class Mpesa {
  readonly notices: NoticeWork;
  readonly pushes: Pushes;
  readonly queries: Queries;
  readonly reconciliation: Reconciliation;
  readonly #clock: Clock;
  readonly #daraja: MpesaParts["daraja"];
  readonly #polls: { notices: Poll; pushes: Poll; queries: Poll; reconciliation: Poll };

  constructor(parts: MpesaParts) {
    const { clock, log, daraja } = parts;
    this.#clock = clock;
    this.#daraja = daraja;
    const payments = new Payments(parts);
    this.notices = new NoticeWork({ ...parts, payments, shortcode: daraja.shortcode });
    this.pushes = new Pushes(parts);
    this.queries = new Queries({ ...parts, payments, paid: () => this.#polls.reconciliation.wake() });
    this.reconciliation = new Reconciliation({ ...parts, payments });
    // Apart, so that a Daraja that hangs does not hold up what it has told us.
    const poll = (what: string, part: { look(): Promise<void> }) =>
      new Poll(
        clock,
        everyMs,
        () => part.look(),
        (error) => log.error({ err: error }, `M-Pesa: ${what} could not be seen to`),
      );
    this.#polls = {
      notices: poll("callbacks", this.notices),
      pushes: poll("top-ups asked for", this.pushes),
      queries: poll("queries", this.queries),
      reconciliation: poll("the list of payments", this.reconciliation),
    };
  }

  start(): void {
    for (const poll of Object.values(this.#polls)) poll.start();
  }

  /** A top-up was asked for, or a callback came. */
  wake(): void {
    this.#polls.pushes.wake();
    this.#polls.notices.wake();
  }

  /** Waits for what is under way, but not for a Daraja that hangs: a push that it has not answered by then is unknown. */
  async stop(): Promise<void> {
    const timer = this.#clock.after(graceMs, () => this.#daraja.stop());
    await Promise.all(Object.values(this.#polls).map((poll) => poll.stop()));
    await this.pushes.settled();
    timer.cancel();
  }
}
