import type { LegId } from "../ids.ts";
import type { Log } from "../log.ts";
import { legById, legHasEnded, legOfChannel } from "../store/calls.ts";
import { forgetGone, noteGone } from "../store/gone-callers.ts";
import type { Store } from "../store/store.ts";
import { parseEndRecord, type EndRecord } from "../switch/end-record.ts";
import { CallChange } from "./call-change.ts";
import type { ChangeParts } from "./change-parts.ts";
import { DocumentRun } from "./document-run.ts";
import { takeLegNews, type LegNews } from "./leg-progress.ts";
import { dialSecondLeg } from "./second-leg.ts";

interface Parts extends ChangeParts {
  store: Store;
  log: Log;
  /** What runs of the leg in this process ends: before its end is stored, and after. */
  ending: (leg: LegId, channel: string) => Promise<void>;
  ended: (leg: LegId, channel: string) => void;
}

/** Takes in what the switch wrote of ended legs, whoever leads its box: it is the truth, and is taken once. */
export class EndRecords {
  readonly #parts: Parts;
  readonly #document = new DocumentRun(dialSecondLeg);

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Whether the leg's end is stored. */
  isSettled(leg: LegId): Promise<boolean> {
    return this.#parts.store.read((tx) => legHasEnded(tx, leg));
  }

  /**
   * Takes in one record of a box's spool; once it answers `settled` the record may go. Throws when the database cannot be
   * written: then the record stays where it is.
   */
  async take(text: string): Promise<"settled" | "foreign" | "unreadable"> {
    const parsed = parseEndRecord(text);
    if (!parsed.ok) return parsed.problem === "torn" ? "unreadable" : "foreign";
    const { record } = parsed;
    const { store, log, ending, ended } = this.#parts;
    const id = record.leg ?? (await this.#legOfCaller(record));
    if (id === undefined) {
      // Nobody took them in: no controller was there, or they were gone at once. Nothing was stored, or is owed.
      log.info(
        { channel: record.channel, cause: record.cause },
        "a caller had gone before they were taken in",
      );
      return record.answeredAtUs === null ? "settled" : "foreign";
    }
    if (await this.isSettled(id)) return "settled";
    await ending(id, record.channel);
    return store.write(async (tx) => {
      const leg = await legById(tx, id);
      if (!leg) return "foreign" as const;
      const news: LegNews = {
        ...record,
        kind: "hungUp",
        leg: id,
        box: leg.box,
        atUs: record.endedAtUs,
        endedBy: "end_record",
      };
      const change = await CallChange.load(this.#parts, tx, leg.callId);
      if (change) {
        await takeLegNews(change, news, this.#document);
        await change.save();
      }
      tx.afterCommit(() => ended(id, record.channel));
      return "settled" as const;
    });
  }

  /** Undefined: nobody has taken them in, and whoever does, since word of their coming is late, finds how they went. */
  async #legOfCaller({ channel, ...facts }: EndRecord): Promise<LegId | undefined> {
    const { store, clock } = this.#parts;
    const taken = await store.read((tx) => legOfChannel(tx, channel));
    if (taken || facts.answeredAtUs !== null) return taken?.id;
    return store.write(async (tx) => {
      // SIP's name of their call is in what comes late, and has no place here.
      await noteGone(tx, channel, JSON.stringify({ ...facts, channel, sipCallId: null }), clock.nowMs());
      // In the very moment, perhaps.
      const leg = await legOfChannel(tx, channel);
      if (leg) await forgetGone(tx, channel);
      return leg?.id;
    });
  }
}
