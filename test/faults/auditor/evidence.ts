import type { CarrierCallView } from "../../peers/carrier-process.ts";
import type { Books, LegRow } from "./books.ts";
import type { StoredObject } from "./bucket.ts";
import type { EndRecord } from "./end-records.ts";
import type { HeardEvent } from "./endpoint.ts";

/** Everything that is known of a run, each part from another witness. The checks are functions of it. */
export interface Evidence {
  /** The switch's: by leg. */
  records: ReadonlyMap<string, EndRecord>;
  /** Legs whose records the auditor saw appear and came too late to keep. */
  missedRecords: ReadonlySet<string>;
  /** The product's. */
  books: Books;
  /** The customer's: what she placed, where she listens, and what came there, in order. */
  placed: readonly string[];
  endpoint: string;
  heard: readonly HeardEvent[];
  /** The storage's, by key. */
  objects: ReadonlyMap<string, StoredObject>;
  /** The carrier's, also of one that was killed meanwhile. */
  rung: readonly CarrierCallView[];
  /** The tests' own: what they did to whom. */
  history: History;
}

/** ms since the epoch. */
export interface Span {
  fromMs: number;
  toMs: number;
}

export interface History {
  /** Between the signal and its end. */
  switchDeaths: Span[];
  /** From ready to killed; the running one's end is the audit's own time. */
  controllers: Span[];
}

/** The death of the switch that the leg was on: the first since it was dialled. */
export const deathOf = (history: History, leg: LegRow): Span | undefined =>
  history.switchDeaths.find(({ toMs }) => toMs >= Number(leg.dialled_at_ms ?? leg.created_at_ms));
