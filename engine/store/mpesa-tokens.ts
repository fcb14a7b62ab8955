import type { ReadTx, Tx } from "./store.ts";

/** The one that is kept: this one, or whoever's came first. */
export async function keepCallbackToken(
  tx: Tx,
  row: { sealed: string; createdAtMs: number },
): Promise<{ sealed: string }> {
  await tx.run(
    `INSERT INTO mpesa_callback_tokens (id, sealed, created_at_ms) VALUES (1, ?, ?) ON CONFLICT (id) DO NOTHING`,
    [row.sealed, row.createdAtMs],
  );
  return (await keptCallbackToken(tx)) ?? row;
}

export const keptCallbackToken = (tx: ReadTx) =>
  tx.get<{ sealed: string }>("SELECT sealed FROM mpesa_callback_tokens WHERE id = 1");

export interface AccessTokenRow {
  /** Null: none was given out yet. */
  sealed: string | null;
  freshUntilMs: number;
  /** Who asks for the next just now, and since when. */
  holder: string | null;
  askedAtMs: number;
}

export const accessTokenOf = (tx: ReadTx, app: string) =>
  tx.get<AccessTokenRow>("SELECT * FROM daraja_tokens WHERE app = ?", [app]);

/** Kept for this transaction; made where there was none. */
export async function accessTokenToChange(tx: Tx, app: string): Promise<AccessTokenRow | undefined> {
  await tx.run("INSERT INTO daraja_tokens (app) VALUES (?) ON CONFLICT (app) DO NOTHING", [app]);
  return tx.get<AccessTokenRow>("SELECT * FROM daraja_tokens WHERE app = ? FOR NO KEY UPDATE", [app]);
}

export const holdAccessToken = (tx: Tx, app: string, holder: string, nowMs: number) =>
  tx.run("UPDATE daraja_tokens SET holder = ?, asked_at_ms = ? WHERE app = ?", [holder, nowMs, app]);

/** Nothing where somebody else has taken over meanwhile. */
export const replaceAccessToken = (
  tx: Tx,
  app: string,
  holder: string,
  { sealed, freshUntilMs }: { sealed: string; freshUntilMs: number },
) =>
  tx.run(
    "UPDATE daraja_tokens SET sealed = ?, fresh_until_ms = ?, holder = NULL WHERE app = ? AND holder = ?",
    [sealed, freshUntilMs, app, holder],
  );

export const releaseAccessToken = (tx: Tx, app: string, holder: string) =>
  tx.run("UPDATE daraja_tokens SET holder = NULL WHERE app = ? AND holder = ?", [app, holder]);

/** Of apps that nobody is any more: a secret was changed, or the stand-in started again on another port. */
export const sweepAccessTokens = (tx: Tx, askedBeforeMs: number) =>
  tx.run("DELETE FROM daraja_tokens WHERE asked_at_ms < ?", [askedBeforeMs]);
