/**
 * What both databases hold a transaction to. PostgreSQL gives a transaction up at its first failed statement and SQLite
 * may; so the first failure is kept, nothing runs after it, and a closure that swallowed it is not committed. Nor does
 * anything run once the transaction is over.
 */
export class OpenTransaction {
  readonly #signals: (() => void)[] = [];
  #refusal: { error: unknown } | null = null;
  #over = false;

  /** A statement failed, and so the transaction. */
  fail(error: unknown): void {
    this.#refusal ??= { error };
  }

  afterCommit(fn: () => void): void {
    this.#signals.push(fn);
  }

  /** A listener's bug costs that signal; what was committed stands, and the store goes on. */
  signal(): void {
    for (const signal of this.#signals) {
      try {
        signal();
      } catch (error) {
        process.emitWarning(error instanceof Error ? error : String(error));
      }
    }
  }

  /** Before each statement, and before the commit: throws what failed in it. */
  check(): void {
    if (this.#refusal) throw this.#refusal.error;
    if (this.#over) throw new Error("The transaction is over: its tx can no longer be used.");
  }

  /** No statement comes after this. */
  over(): void {
    this.#over = true;
  }
}
