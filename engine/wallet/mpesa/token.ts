import type { Clock } from "../../clock.ts";
import type { Ids } from "../../ids.ts";
import type { Secrets } from "../../secrets.ts";
import {
  accessTokenOf,
  accessTokenToChange,
  holdAccessToken,
  releaseAccessToken,
  replaceAccessToken,
  sweepAccessTokens,
  type AccessTokenRow,
} from "../../store/mpesa-tokens.ts";
import type { Store, Tx } from "../../store/store.ts";
import { DarajaError } from "./daraja-error.ts";

export interface Token {
  text: string;
  /** Seconds from its issue. */
  expiresInSeconds: number;
}

export interface TokenParts {
  store: Store;
  secrets: Secrets;
  clock: Clock;
  ids: Ids;
  /** Whose token it is: Daraja's address, the app's key and secret. */
  app: readonly string[];
  /** Asks Daraja, once. */
  issue: () => Promise<Token>;
  /** Ends what is waited for. */
  stopped: AbortSignal;
}

/** Longer than Daraja may take to give one out: who asked is dead. */
export const tokenAnswerMsMax = 10_000;
const heldMsMax = tokenAnswerMsMax + 5_000;
const lookAgainMs = 200;
/** Whoever asks before us has failed by then, and somebody after him. */
const waitMsMax = 2 * heldMsMax;
const forgottenMs = 86_400_000;

/**
 * The one token of all processes: it is in the store, sealed. Daraja ends the one before with each that it issues, so one
 * of them asks for the next, under a lease that ends with its time where he dies, and whoever finds his refused takes the
 * newer one, if there is one already.
 */
export class SharedToken {
  readonly #parts: TokenParts;
  readonly #app: string;
  #refreshing: Promise<string> | null = null;

  constructor(parts: TokenParts) {
    this.#parts = parts;
    this.#app = parts.secrets.pseudonym(JSON.stringify(parts.app));
  }

  async get(): Promise<string> {
    const { store, clock } = this.#parts;
    const row = await store.read((tx) => accessTokenOf(tx, this.#app));
    return this.#fresh(row, clock.nowMs()) ?? this.#refresh(null);
  }

  /** After `refused` was: another one. */
  instead(refused: string): Promise<string> {
    return this.#refresh(refused);
  }

  #refresh(refused: string | null): Promise<string> {
    this.#refreshing ??= this.#next(refused).finally(() => (this.#refreshing = null));
    return this.#refreshing;
  }

  async #next(refused: string | null): Promise<string> {
    const { store, clock, ids, stopped } = this.#parts;
    const holder = ids.bytes(16).toString("hex");
    const endMs = clock.monotonicMs() + waitMsMax;
    for (;;) {
      const turn = await store.write((tx) => this.#turn(tx, holder, refused));
      if (turn === "ours") return this.#ask(holder);
      if (turn !== "another's") return turn.text;
      if (stopped.aborted || clock.monotonicMs() > endMs)
        throw new DarajaError("unreachable", "Another process asks Daraja for a token, and is not done.");
      await clock.sleep(lookAgainMs, stopped).catch(() => undefined);
    }
  }

  async #turn(
    tx: Tx,
    holder: string,
    refused: string | null,
  ): Promise<{ text: string } | "ours" | "another's"> {
    const nowMs = this.#parts.clock.nowMs();
    const row = await accessTokenToChange(tx, this.#app);
    const text = this.#fresh(row, nowMs);
    if (text !== null && text !== refused) return { text };
    // Either way: another machine's clock may be ahead.
    if (row?.holder && Math.abs(nowMs - row.askedAtMs) < heldMsMax) return "another's";
    await holdAccessToken(tx, this.#app, holder, nowMs);
    return "ours";
  }

  async #ask(holder: string): Promise<string> {
    const { store, secrets, clock, issue } = this.#parts;
    let token: Token;
    try {
      token = await issue();
    } catch (error) {
      await store.write((tx) => releaseAccessToken(tx, this.#app, holder));
      throw error;
    }
    const nowMs = clock.nowMs();
    // 50 minutes of the hour that it is good for.
    const freshUntilMs = Math.floor(nowMs + (token.expiresInSeconds * 1000 * 5) / 6);
    const sealed = secrets.seal(token.text);
    await store.write(async (tx) => {
      await replaceAccessToken(tx, this.#app, holder, { sealed, freshUntilMs });
      await sweepAccessTokens(tx, nowMs - forgottenMs);
    });
    return token.text;
  }

  #fresh(row: AccessTokenRow | undefined, nowMs: number): string | null {
    if (!row?.sealed || row.freshUntilMs <= nowMs) return null;
    return this.#parts.secrets.open(row.sealed);
  }
}
