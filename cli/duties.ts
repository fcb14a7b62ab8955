import type { Work } from "../engine/boxes/leases.ts";
import { StrayBoxes } from "../engine/boxes/strays.ts";
import { Poll } from "../engine/poll.ts";
import { Controller, type ControllerParts } from "../engine/calls/controller.ts";
import type { Egress } from "../engine/egress/egress.ts";
import type { MailQueue } from "../engine/mail/mail-queue.ts";
import { MailSender } from "../engine/mail/mail-sender.ts";
import type { MailTransport } from "../engine/mail/mail-transport.ts";
import type { PromptUrls } from "../engine/media/prompt-urls.ts";
import { StoredPrompts } from "../engine/media/stored-prompts.ts";
import { PricingMails } from "../engine/metering/pricing-mails.ts";
import { StorageMeter } from "../engine/metering/storage-meter.ts";
import type { NumberParts } from "../engine/numbers/claims.ts";
import { PortDocuments } from "../engine/numbers/port-documents.ts";
import { Renewals } from "../engine/numbers/renewals.ts";
import { forgetOldRefusals } from "../engine/policy/noted-refusals.ts";
import type { Secrets } from "../engine/secrets.ts";
import { sweepSignIn } from "../engine/store/sessions.ts";
import type { Store } from "../engine/store/store.ts";
import { Streams, type StreamsParts } from "../engine/streams/streams.ts";
import { MonthEnd } from "../engine/wallet/month-end.ts";
import { Deliverer, type DelivererParts } from "../engine/webhooks/deliverer.ts";
import { createRecordings } from "../recordings/recordings.ts";
import type { Storage } from "../recordings/storage.ts";
import type { Config } from "./config.ts";
import { openPrivacy } from "./open-privacy.ts";
import type { ServedMpesa } from "./serve-mpesa.ts";

/** Deleted prompts, and old papers of porting requests, are out of the storage within this. */
const promptsSweepMs = 60_000;
/** Links and sessions that are over are forgotten after so long, looked for so often. */
const signInKeptMs = 30 * 24 * 3_600_000;
const signInSweepMs = 3_600_000;
/** A suspended number is back in service within this after the wallet was filled. */
const renewalsMs = 5_000;
/** A month that is over is closed within this, and an hour. */
const monthEndMs = 600_000;

export interface DutiesParts extends Omit<
  ControllerParts,
  "scope" | "stillLeads" | "streams" | "devices" | "boxConnected" | "takesEndRecords"
> {
  /** Of who holds the duties. */
  store: Store;
  /** The boxes that are somebody's. */
  boxes: readonly string[];
  streams: Omit<StreamsParts, "store">;
  egress: Egress;
  secrets: Secrets;
  mails: MailQueue;
  mailTransport: MailTransport;
  numbers: NumberParts;
  storage: Storage;
  promptUrls: PromptUrls;
  mpesa: Pick<ServedMpesa, "work">;
  publicUrl: () => string;
  /** How often webhooks are looked for unasked; undefined: seldom. */
  deliveriesPollMs: number | undefined;
  /** Counts what became of them. */
  webhookTried: NonNullable<DelivererParts["tried"]>;
}

/** Everything that is nobody's box, and done once: webhooks, mails, money that comes by itself, what is swept. */
export class Duties implements Work {
  readonly deliverer: Deliverer;
  readonly mailSender: MailSender;
  /** A person's data is to be exported, or erased. */
  readonly privacyWanted: () => void;
  /** Of the calls of boxes that are not configured, and that nobody has led for a minute. */
  readonly #strays: Controller;
  readonly #running: { start(): void; stop(): Promise<void> | void }[];

  constructor(config: Config, { boxes, streams, ...parts }: DutiesParts) {
    const { store, clock, ids, log, numbers, mails, storage, publicUrl, egress, secrets, outbox } = parts;
    const { ledger } = numbers;
    const every = (everyMs: number, look: () => Promise<void>, said: string) =>
      new Poll(clock, everyMs, look, (error) => log.error({ err: error }, said));
    const { deliveriesPollMs: pollMs, mailTransport: transport } = parts;
    this.deliverer = new Deliverer({
      ...{ store, egress, secrets, clock, ids, log },
      ...(pollMs === undefined ? {} : { pollMs }),
      tried: parts.webhookTried,
    });
    this.mailSender = new MailSender({ store, transport, clock, ids, log });
    this.#strays = new Controller(
      {
        ...{ ...parts, streams: new Streams({ ...streams, store }) },
        ...{ scope: new StrayBoxes({ store, clock, configured: boxes }) },
        ...{ devices: null, boxConnected: () => undefined, takesEndRecords: false },
        // Nothing is sent to a box that is nobody's.
        stillLeads: null,
      },
      [],
    );
    const prompts = new StoredPrompts({ store, storage, urls: parts.promptUrls, clock, ids });
    const portDocuments = new PortDocuments({ store, storage, clock, ids });
    const { exports, erasures } = openPrivacy(config, { store, storage, secrets, mails, clock, ids, log });
    this.privacyWanted = () => {
      exports.wake();
      erasures.wake();
    };
    const renewals = new Renewals({ ...numbers, store, log });
    const monthEnd = config.seller && new MonthEnd({ store, clock, ids, seller: config.seller, log });
    this.#running = [
      this.#strays,
      this.mailSender,
      new PricingMails({ store, mails, clock, log, publicUrl }),
      new StorageMeter({ store, ledger, outbox, mails, clock, ids, log }),
      this.deliverer,
      createRecordings({ store, storage, clock, log }),
      ...(monthEnd ? [every(monthEndMs, () => monthEnd.run(), "A month could not be closed yet.")] : []),
      ...[prompts, portDocuments].map((files) =>
        every(
          promptsSweepMs,
          () => files.sweep(),
          "Deleted files could not be removed from the storage yet.",
        ),
      ),
      exports,
      erasures,
      every(
        signInSweepMs,
        () =>
          store.write(async (tx) => {
            await sweepSignIn(tx, clock.nowMs(), signInKeptMs, 1000);
            await forgetOldRefusals(tx, clock.nowMs());
          }),
        "Old sessions and refusals could not be forgotten yet.",
      ),
      every(renewalsMs, () => renewals.run(), "The numbers' rents could not be looked at yet."),
      parts.mpesa.work(store),
      { start: () => undefined, stop: () => prompts.close() },
    ];
  }

  start(): void {
    for (const part of this.#running) part.start();
  }

  isFit(): boolean {
    return true;
  }

  /** In reverse; what cannot be stopped does not keep the rest running. */
  async stop(): Promise<void> {
    const faults: unknown[] = [];
    for (const part of this.#running.toReversed()) {
      try {
        await part.stop();
      } catch (error) {
        faults.push(error);
      }
    }
    if (faults.length > 0) throw new AggregateError(faults, "Not every duty could be stopped.");
  }
}
