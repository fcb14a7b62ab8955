import type { Clock } from "../clock.ts";
import type { Ids } from "../ids.ts";
import type { Log } from "../log.ts";
import { Poll } from "../poll.ts";
import { dueMails, mailFailed, mailSent, takeMail, type MailRow } from "../store/mails.ts";
import type { Store } from "../store/store.ts";
import { MailError, type MailTransport } from "./mail-transport.ts";

export interface MailSenderParts {
  store: Store;
  transport: MailTransport;
  clock: Clock;
  ids: Ids;
  log: Log;
}

/** From one try to the next, ms; after the last one it is given up. */
const pausesMs = [30_000, 120_000, 600_000, 1_800_000, 7_200_000, 21_600_000, 86_400_000] as const;
/** Longer than any try takes: whose sender died is tried again after it. */
const leaseMs = 120_000;
const atOnce = 10;
const lookEveryMs = 5_000;

/**
 * Takes due mails from the store and tries them until they are sent or given up: at least once, since a crash between
 * the server's answer and its record sends again, with the same Message-ID.
 */
export class MailSender {
  readonly #parts: MailSenderParts;
  readonly #poll: Poll;

  constructor(parts: MailSenderParts) {
    this.#parts = parts;
    const failed = (error: unknown) => parts.log.error({ err: error }, "mails could not be looked for");
    this.#poll = new Poll(parts.clock, lookEveryMs, () => this.look(), failed);
  }

  start(): void {
    this.#poll.start();
  }

  /** Something was queued. */
  wake(): void {
    this.#poll.wake();
  }

  /** Waits for the tries under way. */
  async stop(): Promise<void> {
    await this.#poll.stop();
  }

  /** Tries what is due now, until nothing is. */
  async look(): Promise<void> {
    const { store, clock } = this.#parts;
    for (;;) {
      const due = await store.read((tx) => dueMails(tx, clock.nowMs(), atOnce));
      await Promise.all(due.map((mail) => this.#try(mail)));
      if (due.length < atOnce) return;
    }
  }

  async #try(due: MailRow): Promise<void> {
    const { store, clock, transport, log } = this.#parts;
    const leaseEndsMs = clock.nowMs() + leaseMs;
    const mail = await store.write((tx) => takeMail(tx, due, leaseEndsMs));
    // Somebody else's: of another process, or tried meanwhile.
    if (!mail) return;
    const { id, recipient: to, subject, body: text, attempts } = mail;
    try {
      await transport.send({ id, to, subject, text });
    } catch (error) {
      const pauseMs = pausesMs[attempts - 1];
      const final = (error instanceof MailError && error.final) || pauseMs === undefined;
      const nextAttemptAtMs = final ? null : clock.nowMs() + this.#jittered(pauseMs);
      const lastError = (error instanceof Error ? error.message : String(error)).slice(0, 1000);
      await store.write((tx) => mailFailed(tx, id, { nextAttemptAtMs, lastError }));
      log.warn({ mail: id, attempts, final, reason: lastError }, "a mail could not be sent");
      return;
    }
    await store.write((tx) => mailSent(tx, id, clock.nowMs()));
    log.info({ mail: id, subject }, "a mail was sent");
  }

  /** Between half of it and all. */
  #jittered = (pauseMs: number) => Math.round(pauseMs * (0.5 + 0.5 * this.#parts.ids.fraction()));
}
