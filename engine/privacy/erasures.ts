import type { Clock } from "../clock.ts";
import { SautikitError } from "../errors.ts";
import type { CallId, Ids, KeyId, UserId, WorkspaceId } from "../ids.ts";
import { Poll } from "../poll.ts";
import type { Log } from "../log.ts";
import { removeSurely } from "../object-removal.ts";
import type { Secrets } from "../secrets.ts";
import { callToChange } from "../store/calls.ts";
import {
  callsToErase,
  completeErasure,
  eraseCall,
  erasureById,
  erasuresOf,
  erasureToChange,
  findMentions,
  hasLiveCall,
  hasOpenTopUp,
  insertErasure,
  markExportsWithdrawn,
  mentionPlaces,
  recordingsToProveGone,
  replaceMention,
  runningErasureOf,
  runningErasures,
  saveCounts,
  textsOfRunning,
  type ErasureCounts,
  type ErasureRow,
  type MentionKey,
} from "../store/privacy-erasures.ts";
import { countExportsToRemove } from "../store/privacy-exports.ts";
import { byCall, markDeleted, markObjectRemoved, type RecordingRow } from "../store/recordings.ts";
import type { ReadTx, Store, Tx } from "../store/store.ts";
import type { Exports } from "./exports.ts";
import { pseudonymOf, requireOthers } from "./data-subject.ts";
import { withoutNumber } from "./without-number.ts";

export type Erasure = Omit<ErasureRow, "counts"> & { counts: ErasureCounts };

/** The object storage, as far as erasing needs it. Every method throws `storage.unavailable`. */
export interface ErasingStorage {
  /** Also when there is no such object. `unfinished`: and what uploads have left there that never ended. */
  delete(key: string, options?: { unfinished: boolean }): Promise<void>;
  /** Null: there is no such object. */
  head(key: string): Promise<{ sizeBytes: number } | null>;
}

export interface ErasuresParts {
  store: Store;
  storage: ErasingStorage;
  /** Where a recording's audio is, or would be. */
  recordingKey: (recording: RecordingRow) => string;
  exports: Pick<Exports, "removeExpired" | "withdraw">;
  secrets: Secrets;
  clock: Clock;
  ids: Ids;
  log: Log;
  /** Called after the commit of what is asked for. Default: this very one looks, where it is started. */
  wanted?: () => void;
}

const batch = 100;
/** Rows looked through at once for the number, and how long others have their turn in between. */
const lookedThrough = 500;
const pauseMs = 1;
const lookEveryMs = 60_000;

/**
 * Erasing a person by phone number: the request is a row, the work is done afterwards in steps of a transaction each, and
 * whoever dies in between leaves the row, from which the next one goes on. The row is the receipt, too.
 */
export class Erasures {
  readonly #parts: ErasuresParts;
  readonly #poll: Poll;

  constructor(parts: ErasuresParts) {
    this.#parts = parts;
    this.#poll = new Poll(
      parts.clock,
      lookEveryMs,
      () => this.run(),
      (error) => parts.log.error({ err: error }, "An erasure could not go on yet; it is tried again."),
    );
  }

  start(): void {
    this.#poll.start();
  }

  /** Something was asked for. */
  wake(): void {
    this.#poll.wake();
  }

  stop(): Promise<void> {
    return this.#poll.stop();
  }

  /**
   * Of one that runs already, that one. No export of the workspace's that may name the person is given out any more. Throws `privacy.own_number`, and `privacy.call_is_live` while a call with that number
   * is under way.
   */
  async request(
    tx: Tx,
    asked: { workspaceId: WorkspaceId; e164: string; requestedBy: KeyId | UserId | null },
  ): Promise<Erasure> {
    const { secrets, ids, clock } = this.#parts;
    const { workspaceId, e164 } = asked;
    await requireOthers(tx, workspaceId, e164);
    if (await hasLiveCall(tx, workspaceId, e164)) throw new SautikitError("privacy.call_is_live");
    const pseudonym = pseudonymOf(secrets, workspaceId, e164);
    const row = {
      ...asked,
      id: ids.next("ers"),
      pseudonym,
      createdAtMs: clock.nowMs(),
      counts: JSON.stringify(none),
    };
    if (await insertErasure(tx, row)) await this.#parts.exports.withdraw(tx, workspaceId, pseudonym);
    tx.afterCommit(this.#parts.wanted ?? (() => this.wake()));
    const running = await runningErasureOf(tx, workspaceId, pseudonym);
    if (!running) throw new Error("An erasure was begun, and is not there.");
    return erasureOf(running);
  }

  async get(tx: ReadTx, workspaceId: WorkspaceId, id: ErasureRow["id"]): Promise<Erasure> {
    const row = await erasureById(tx, workspaceId, id);
    if (!row) throw new SautikitError("privacy.erasure_not_found");
    return erasureOf(row);
  }

  async list(
    tx: ReadTx,
    workspaceId: WorkspaceId,
    page: { limit: number; before: ErasureRow["id"] | null },
  ): Promise<Erasure[]> {
    return (await erasuresOf(tx, workspaceId, page)).map(erasureOf);
  }

  /** Goes on with every one that is not complete. One that cannot go on holds back no other. */
  async run(): Promise<void> {
    const { store, exports } = this.#parts;
    const faults: unknown[] = [];
    const fault = (error: unknown) => void faults.push(error);
    let after: ErasureRow["id"] | null = null;
    for (;;) {
      const running: ErasureRow[] = await store.read((tx) => runningErasures(tx, after, batch));
      // One that cannot be removed yet, maybe another's, is waited for at an erasure's end.
      if (running.length > 0) await exports.removeExpired().catch(fault);
      for (const row of running) await this.#goOn(row).catch(fault);
      after = running.at(-1)?.id ?? null;
      if (running.length < batch) break;
    }
    if (faults.length > 0) throw faults[0];
  }

  async #goOn(row: ErasureRow): Promise<void> {
    const { e164 } = row;
    if (e164 === null) return;
    const erasure = { ...row, e164 };
    const callsLeft = await this.#eraseCalls(erasure);
    await this.#proveGone(erasure);
    const { store, exports, clock } = this.#parts;
    // Before the look through all rows, which passes over what runs: one that ends meanwhile is for the next.
    const isNamed = (await store.read((tx) => textsOfRunning(tx, erasure))).some(
      (text) => withoutNumber(text, e164, row.pseudonym) !== text,
    );
    await this.#eraseMentions(erasure);
    if (callsLeft > 0 || isNamed || (await store.read((tx) => hasOpenTopUp(tx, erasure)))) return;
    // What was begun by now may have been read before it was erased; what is begun from now on is without it.
    const withdrawn = await store.write(async (tx) => {
      const now = await markExportsWithdrawn(tx, row.id, clock.nowMs());
      if (now) await exports.withdraw(tx, row.workspaceId, row.pseudonym);
      return now;
    });
    if (withdrawn) await exports.removeExpired();
    await store.write((tx) => this.#complete(tx, erasure));
  }

  /** How many have to wait: a recording of theirs is not closed yet. */
  async #eraseCalls(erasure: ErasureRow & { e164: string }): Promise<number> {
    const { store } = this.#parts;
    let after: CallId | null = null;
    let left = 0;
    for (;;) {
      const calls: { id: CallId; over: number }[] = await store.read((tx) =>
        callsToErase(tx, erasure, { limit: batch, after }),
      );
      for (const { id, over } of calls) {
        if (over === 0) left++;
        else await store.write((tx) => this.#eraseCall(tx, erasure, id));
      }
      after = calls.at(-1)?.id ?? null;
      if (calls.length < batch) return left;
    }
  }

  async #eraseCall(tx: Tx, erasure: ErasureRow & { e164: string }, id: CallId): Promise<void> {
    const { clock } = this.#parts;
    const call = await callToChange(tx, id);
    // Of an erasure twice at once the second one finds nothing of the number any more.
    if (!call || !(await hasParty(tx, erasure, id))) return;
    const counts = await eraseCall(tx, id, erasure, clock.nowMs());
    let recordings = 0;
    for (const recording of await byCall(tx, erasure.workspaceId, id)) {
      if (await markDeleted(tx, recording.id, "erasure", clock.nowMs())) recordings++;
    }
    await this.#count(tx, erasure.id, { ...counts, recordings });
  }

  /** An object is gone once the storage says so, and not because it was told to delete it. */
  async #proveGone({ id }: ErasureRow): Promise<void> {
    const { store, storage, recordingKey, clock } = this.#parts;
    for (let more = true; more;) {
      const rows = await store.read((tx) => recordingsToProveGone(tx, id, batch));
      let gone = 0;
      for (const row of rows) {
        await removeSurely(storage, recordingKey(row), { unfinished: row.storedAtMs === null });
        // Not while an upload may bring it again: the erasure waits for that.
        if (await store.write((tx) => markObjectRemoved(tx, row.id, clock.nowMs()))) gone++;
      }
      more = rows.length === batch && gone > 0;
    }
  }

  async #eraseMentions(erasure: ErasureRow & { e164: string }): Promise<void> {
    const { clock } = this.#parts;
    for (let place = 0; place < mentionPlaces; place++) {
      let after: MentionKey | null = null;
      do {
        after = await this.#eraseSome(erasure, place, after);
        // Without it SQLite, which answers at once, would leave nobody else a turn.
        await clock.sleep(pauseMs);
      } while (after !== null);
    }
  }

  /** Among the next rows of one kind; the last one's key, null: there are no more. */
  async #eraseSome(
    erasure: ErasureRow & { e164: string },
    place: number,
    after: MentionKey | null,
  ): Promise<MentionKey | null> {
    const { store } = this.#parts;
    const { e164, pseudonym } = erasure;
    for (;;) {
      const { found, next } = await store.read((tx) =>
        findMentions(tx, place, erasure, { after, rows: lookedThrough }),
      );
      const changes = found.flatMap(({ key, columns }) =>
        Object.entries(columns).flatMap(([column, was]) => {
          const is = withoutNumber(was, e164, pseudonym);
          return is === was ? [] : [{ key, column, was, is }];
        }),
      );
      if (changes.length === 0) return next;
      const missed = await store.write(async (tx) => {
        const rows = new Set<string>();
        let missed = 0;
        for (const change of changes)
          if (await replaceMention(tx, place, erasure, change)) rows.add(JSON.stringify(change.key));
          else missed++;
        await this.#count(tx, erasure.id, { mentions: rows.size });
        return missed;
      });
      // Somebody, maybe another erasure, changed a text meanwhile: it is looked at as it is now.
      if (missed === 0) return next;
    }
  }

  async #complete(tx: Tx, { id, workspaceId }: ErasureRow): Promise<void> {
    if ((await recordingsToProveGone(tx, id, 1)).length > 0) return;
    if ((await countExportsToRemove(tx, workspaceId)) > 0) return;
    await completeErasure(tx, id, this.#parts.clock.nowMs());
  }

  async #count(tx: Tx, id: ErasureRow["id"], more: Partial<ErasureCounts>): Promise<void> {
    const row = await erasureToChange(tx, id);
    if (!row) return;
    const counts = countsOf(row);
    for (const [kind, count] of Object.entries(more)) counts[kind as keyof ErasureCounts] += count;
    await saveCounts(tx, id, JSON.stringify(counts));
  }
}

async function hasParty(tx: Tx, erasure: ErasureRow & { e164: string }, id: CallId): Promise<boolean> {
  return (await callsToErase(tx, erasure, { limit: 1, after: null, only: id })).length > 0;
}

const none: ErasureCounts = {
  ...{ calls: 0, legs: 0, cdrs: 0, events: 0, recordings: 0, deliveries: 0 },
  ...{ ledgerDescriptions: 0, sipMessages: 0, mentions: 0 },
};

/** One that was begun before a kind was counted has none of it. */
const countsOf = ({ counts }: ErasureRow): ErasureCounts => ({
  ...none,
  ...(JSON.parse(counts) as Partial<ErasureCounts>),
});

const erasureOf = (row: ErasureRow): Erasure => ({ ...row, counts: countsOf(row) });
