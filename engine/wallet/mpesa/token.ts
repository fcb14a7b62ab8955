import type { Clock } from "../../clock.ts";

export interface Token {
  text: string;
  /** Seconds from its issue. */
  expiresInSeconds: number;
}

/**
 * The one token of this process. Daraja ends the one before with each that it issues, so nobody asks for one while
 * another is being asked for, and whoever finds his refused takes the newer one, if there is one already.
 */
export class TokenCache {
  readonly #clock: Clock;
  readonly #issue: () => Promise<Token>;
  #current: { text: string; freshUntilMs: number } | null = null;
  #refreshing: Promise<string> | null = null;

  constructor(clock: Clock, issue: () => Promise<Token>) {
    this.#clock = clock;
    this.#issue = issue;
  }

  async get(): Promise<string> {
    const current = this.#current;
    if (current && this.#clock.monotonicMs() < current.freshUntilMs) return current.text;
    return this.#refresh();
  }

  /** After `refused` was: another one. */
  async instead(refused: string): Promise<string> {
    const current = this.#current;
    return current && current.text !== refused ? this.get() : this.#refresh();
  }

  #refresh(): Promise<string> {
    this.#refreshing ??= this.#ask().finally(() => (this.#refreshing = null));
    return this.#refreshing;
  }

  async #ask(): Promise<string> {
    const token = await this.#issue();
    // 50 minutes of the hour that it is good for.
    const freshMs = (token.expiresInSeconds * 1000 * 5) / 6;
    this.#current = { text: token.text, freshUntilMs: this.#clock.monotonicMs() + freshMs };
    return token.text;
  }
}
