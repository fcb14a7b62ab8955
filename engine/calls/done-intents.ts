import type { IntentId, IntentOwner } from "../ids.ts";
import type { Log } from "../log.ts";
import { deleteIntent, type IntentRow } from "../store/calls.ts";
import type { Store } from "../store/store.ts";

interface OfCall {
  /** Not to be carried out by whoever still reads their rows. */
  begun: Set<IntentId>;
  waiting: IntentId[];
  deleting: Promise<void> | null;
  /** A delete failed: what comes behind stays as well, so that all of it is done again in its order. */
  failed: boolean;
}

/**
 * Intents that are begun or done, and whose rows are there yet. The next row need not wait for the commit that takes one
 * away; a call's rows go in their order, lest an older command be done again after a newer one.
 */
export class DoneIntents {
  readonly #parts: { store: Store; log: Log };
  readonly #calls = new Map<IntentOwner, OfCall>();
  #stopping = false;

  constructor(parts: { store: Store; log: Log }) {
    this.#parts = parts;
  }

  /** To be asked before a call's rows are read: a row that is deleted meanwhile is still in what was read. */
  begunOf(callId: IntentOwner): ReadonlySet<IntentId> {
    const call = this.#calls.get(callId);
    if (!call) return new Set();
    // Whoever asks reads all that stayed.
    call.failed = false;
    this.#forget(callId, call);
    return new Set(call.begun);
  }

  /** Passed over until the function that is returned is called: for what takes its time, and deletes its row itself. */
  begin({ callId, id }: IntentRow): () => void {
    this.#ofCall(callId).begun.add(id);
    return () => this.#over(callId, [id]);
  }

  /** Its commands are carried out: the row goes. */
  done({ callId, id }: IntentRow): void {
    const call = this.#ofCall(callId);
    if (call.failed) return;
    call.begun.add(id);
    call.waiting.push(id);
    call.deleting ??= this.#delete(callId, call);
  }

  /** Nothing more comes; waits for what is under way. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all([...this.#calls.values()].flatMap(({ deleting }) => deleting ?? []));
  }

  #ofCall(callId: IntentOwner): OfCall {
    let call = this.#calls.get(callId);
    if (!call) {
      call = { begun: new Set(), waiting: [], deleting: null, failed: false };
      this.#calls.set(callId, call);
    }
    return call;
  }

  async #delete(callId: IntentOwner, call: OfCall): Promise<void> {
    while (call.waiting.length > 0) {
      const ids = call.waiting.splice(0);
      try {
        await this.#parts.store.write(async (tx) => {
          for (const id of ids) await deleteIntent(tx, id);
        });
      } catch (error) {
        call.failed = true;
        ids.push(...call.waiting.splice(0));
        if (!this.#stopping)
          this.#parts.log.error({ err: error, callId }, "intents that are done could not be deleted");
      }
      this.#over(callId, ids);
    }
    call.deleting = null;
    this.#forget(callId, call);
  }

  #over(callId: IntentOwner, ids: readonly IntentId[]): void {
    const call = this.#calls.get(callId);
    if (!call) return;
    for (const id of ids) call.begun.delete(id);
    this.#forget(callId, call);
  }

  #forget(callId: IntentOwner, call: OfCall): void {
    if (call.begun.size === 0 && call.deleting === null && !call.failed) this.#calls.delete(callId);
  }
}
