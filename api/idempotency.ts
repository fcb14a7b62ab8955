import type { Clock } from "../engine/clock.ts";
import { SautikitError } from "../engine/errors.ts";
import type { JsonObject } from "../engine/json.ts";
import {
  findResponse,
  keepResponse,
  sweepResponses,
  type IdempotentRequest,
  type IdempotentResponse,
} from "../engine/store/idempotency.ts";
import type { Store, Tx } from "../engine/store/store.ts";
import type { Reply } from "./route.ts";

export const keptForMs = 24 * 3_600_000;

/** How many old responses go at once, never a long wait, and how often: more than come. */
const sweptAtOnce = 1_000;
const sweepEveryMs = 10_000;

/** A request's effect, ready to be run in a transaction. */
export type Change = (tx: Tx) => Promise<Reply>;

/** What the first request with a key answered; anything else about the second one does not count. */
export class Idempotency {
  readonly #store: Store;
  readonly #clock: Clock;
  /** Body hashes of requests that are running now. They die with the process, and so does what they were doing. */
  readonly #inFlight = new Map<string, string>();
  #sweptAtMs = -Infinity;

  constructor({ store, clock }: { store: Store; clock: Clock }) {
    this.#store = store;
    this.#clock = clock;
  }

  /**
   * Runs the change that `begin` makes and keeps its answer in the same transaction, or gives the kept one again.
   * Throws `idempotency.conflict` and `idempotency.in_progress`; what `begin` and the change throw is not kept, and is told only
   * where the first request with this key, in another process, has not been done meanwhile: for that may be why it was thrown.
   */
  async once(request: IdempotentRequest, bodySha256: string, begin: () => Promise<Change>): Promise<Reply> {
    const name = JSON.stringify(Object.values(request));
    const running = this.#inFlight.get(name);
    if (running !== undefined)
      throw running === bodySha256 ? inProgress() : new SautikitError("idempotency.conflict");
    this.#inFlight.set(name, bodySha256);
    try {
      const kept = await this.#store.read((tx) => findResponse(tx, request, this.#sinceMs()));
      if (kept) return replay(kept, bodySha256);
      const reply = await begin()
        .then((change) => this.#store.write((tx) => this.#run(tx, request, bodySha256, change)))
        .catch((error: unknown) => this.#afterAnother(error, request, bodySha256));
      // The answer stands, whatever becomes of the old ones.
      await this.#sweep().catch(() => undefined);
      return reply;
    } finally {
      this.#inFlight.delete(name);
    }
  }

  async #run(tx: Tx, request: IdempotentRequest, bodySha256: string, change: Change): Promise<Reply> {
    const sinceMs = this.#sinceMs();
    // Another process may have run it while this one prepared.
    const kept = await findResponse(tx, request, sinceMs);
    if (kept) return replay(kept, bodySha256);
    const reply = await change(tx);
    const response = { bodySha256, status: reply.status, response: JSON.stringify(withoutSecrets(reply)) };
    const times = { createdAtMs: this.#clock.nowMs(), sinceMs };
    if (!(await keepResponse(tx, request, response, times))) throw inProgress();
    return reply;
  }

  /** By a request now and then, in a transaction of its own, which keeps nobody else's rows. */
  async #sweep(): Promise<void> {
    const nowMs = this.#clock.nowMs();
    if (nowMs - this.#sweptAtMs < sweepEveryMs) return;
    this.#sweptAtMs = nowMs;
    await this.#store.write((tx) => sweepResponses(tx, this.#sinceMs(), sweptAtOnce));
  }

  /**
   * Two at once in two processes: one was undone as the other's answer was stored, or was refused for what the other had done (a
   * number that is claimed by now, a prompt that is open on the phone).
   */
  async #afterAnother(error: unknown, request: IdempotentRequest, bodySha256: string): Promise<Reply> {
    if (!(error instanceof SautikitError)) throw error;
    const kept = await this.#store
      .read((tx) => findResponse(tx, request, this.#sinceMs()))
      .catch(() => undefined);
    if (!kept) throw error;
    return replay(kept, bodySha256);
  }

  #sinceMs(): number {
    return this.#clock.nowMs() - keptForMs;
  }
}

function replay(kept: IdempotentResponse, bodySha256: string): Reply {
  if (kept.bodySha256 !== bodySha256) throw new SautikitError("idempotency.conflict");
  return {
    status: kept.status,
    headers: { "Idempotent-Replay": "true" },
    body: JSON.parse(kept.response) as JsonObject,
  };
}

function withoutSecrets({ body, secrets }: Reply): JsonObject {
  if (body === undefined || typeof body === "string") throw new Error("A POST answers with an object.");
  return secrets ? { ...body, secret_omitted: true } : body;
}

const inProgress = () => new SautikitError("idempotency.in_progress", undefined, { retryAfterSeconds: 1 });

/** Throws `idempotency.invalid_key`. Undefined: the client did not send one. */
export function idempotencyKey(header: string | undefined): string | undefined {
  if (header !== undefined && !/^[\x20-\x7e]{1,255}$/.test(header)) {
    throw new SautikitError("idempotency.invalid_key");
  }
  return header;
}
