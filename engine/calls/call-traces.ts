import type { CallRow, LegRow } from "../store/calls.ts";

/** Of so many calls and legs; about 6 MB. */
const idsMax = 50_000;

/**
 * Which trace the calls and legs belong to that this process had to do with of late, for its log lines; they are in the store
 * for good. Of what it has not seen, or not lately, it knows nothing.
 */
export class CallTraces {
  readonly #traces = new Map<string, string>();

  note(call: Pick<CallRow, "id" | "traceId">, legs: readonly Pick<LegRow, "id">[]): void {
    const { id, traceId } = call;
    if (traceId === null) return;
    for (const one of [id, ...legs.map((leg) => leg.id)])
      if (!this.#traces.has(one)) this.#traces.set(one, traceId);
    for (const oldest of this.#traces.keys()) {
      if (this.#traces.size <= idsMax) break;
      this.#traces.delete(oldest);
    }
  }

  /** Of a call's id, or a leg's; anything else is in none. */
  of(id: unknown): string | undefined {
    return typeof id === "string" ? this.#traces.get(id) : undefined;
  }
}
