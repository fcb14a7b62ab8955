import type { CarrierCallView, PlacedCallView } from "../../peers/carrier-process.ts";
import type { Books, LegRow } from "./books.ts";
import type { StoredObject } from "./bucket.ts";
import type { EndRecord } from "./end-records.ts";
import type { HeardEvent } from "./endpoint.ts";
import type { Heartbeat } from "./heartbeats.ts";

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
  /** The carrier's, of what its people placed with us. */
  placedThere: readonly PlacedCallView[];
  /** The test calls in itself too, beside the carrier. */
  testCallsIn: boolean;
  /** Safaricom's; null: there was none. */
  daraja: DarajaAccount | null;
  /** Of customers' own telephones. */
  devices: readonly DeviceAccount[];
  /** Mails that were put down, by id. */
  mailed: ReadonlySet<string>;
  /** The tests' own: what they did to whom. */
  history: History;
}

/** What Safaricom did and moved. */
export interface DarajaAccount {
  /** Prompts that were put on phones. `callbackUrl` is the request's own. */
  prompts: readonly { account: string; msisdn: string; callbackUrl: string }[];
  /** Money that moved; amounts in shillings, as text. */
  payments: readonly { receipt: string; amount: string; account: string }[];
}

/** What a telephone saw: calls that rang it, and calls that it made. */
export interface DeviceAccount {
  readonly username: string;
  readonly rung: readonly DeviceCall[];
  readonly made: readonly DeviceCall[];
}
export interface DeviceCall {
  sipCallId: string;
  atMs: number;
  answered: boolean;
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
  /** Those that the switch answered; null: nobody stood between it and the controllers. */
  heartbeats: readonly Heartbeat[] | null;
  /** When nothing could be written to the database. */
  locks: Span[];
}

/** The death of the switch that the leg was on: the first since it was dialled. */
export const deathOf = (history: History, leg: LegRow): Span | undefined =>
  history.switchDeaths.find(({ toMs }) => toMs >= dialledMs(leg));

/** By the switch's clock where it told; ours may have been stepped. */
const dialledMs = ({ dialled_at_ms, created_at_ms, started_at_us }: LegRow): number =>
  started_at_us === null ? Number(dialled_at_ms ?? created_at_ms) : Number(started_at_us) / 1000;

/** Whether a dialog of that time was with a switch that died, and took its end-of-leg record with it. */
export const diedWithSwitch = (history: History, fromMs: number, toMs: number | null): boolean =>
  history.switchDeaths.some(
    (death) => fromMs <= death.toMs && (toMs === null || toMs >= death.fromMs - clockMsMax),
  );

/** The witness is another process, and its stamps are late on a busy machine. */
const clockMsMax = 1_000;
