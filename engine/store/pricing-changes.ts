import type { PricingChangeId, PricingNoticeId, WorkspaceId } from "../ids.ts";
import type { Direction, LegKind, PriceName } from "./rates.ts";
import type { ReadTx, Tx } from "./store.ts";

export interface PricingNoticeRow {
  id: PricingNoticeId;
  createdAtMs: number;
  /** Owners of workspaces up to this one have their mail; of a withdrawal, whoever has a mail of the other with a key up to this one. */
  mailedUpTo: string;
  mailedAtMs: number | null;
  /** The notice whose changes it takes back; null: it announces its own. */
  withdrawsId: PricingNoticeId | null;
}

/** A change of what everybody pays, as it was announced. */
export interface PricingChangeRow {
  id: PricingChangeId;
  noticeId: PricingNoticeId;
  /** Of a rate; null: it is a price. */
  rateId: string | null;
  priceName: PriceName | null;
  legKind: LegKind | null;
  direction: Direction | null;
  prefix: string | null;
  country: string | null;
  description: string;
  /** Micro-KES a minute, or the price's own unit. */
  beforeAmount: number;
  /** Null: not sold any more. */
  afterAmount: number | null;
  announcedAtMs: number;
  effectiveAtMs: number;
  withdrawnAtMs: number | null;
  withdrawnById: PricingNoticeId | null;
}

export async function insertNotice(
  tx: Tx,
  { id, createdAtMs, withdrawsId }: Pick<PricingNoticeRow, "id" | "createdAtMs" | "withdrawsId">,
): Promise<void> {
  await tx.run("INSERT INTO pricing_notices (id, created_at_ms, withdraws_id) VALUES (?, ?, ?)", [
    ...[id, createdAtMs, withdrawsId],
  ]);
}

/** Keeps it until the end of the transaction: nobody is mailed meanwhile. */
export const keepNotice = (tx: Tx, id: PricingNoticeId) =>
  tx.get<PricingNoticeRow>("SELECT * FROM pricing_notices WHERE id = ? FOR NO KEY UPDATE", [id]);

export async function insertPricingChange(
  tx: Tx,
  row: Omit<PricingChangeRow, "withdrawnAtMs" | "withdrawnById">,
): Promise<void> {
  await tx.run(
    `INSERT INTO pricing_changes (id, notice_id, rate_id, price_name, leg_kind, direction, prefix, country,
       description, before_amount, after_amount, announced_at_ms, effective_at_ms)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    [
      ...[
        row.id,
        row.noticeId,
        row.rateId,
        row.priceName,
        row.legKind,
        row.direction,
        row.prefix,
        row.country,
      ],
      ...[row.description, row.beforeAmount, row.afterAmount, row.announcedAtMs, row.effectiveAtMs],
    ],
  );
}

/** What was taken back, and which notice had announced it. */
export type WithdrawnChange = Pick<PricingChangeRow, "id" | "noticeId">;

export const withdrawRateChange = (tx: Tx, rateId: string, atMs: number) =>
  tx.all<WithdrawnChange>(
    `UPDATE pricing_changes SET withdrawn_at_ms = ? WHERE rate_id = ? AND withdrawn_at_ms IS NULL
     RETURNING id, notice_id`,
    [atMs, rateId],
  );

export const withdrawPriceChange = (tx: Tx, name: PriceName, effectiveAtMs: number, atMs: number) =>
  tx.all<WithdrawnChange>(
    `UPDATE pricing_changes SET withdrawn_at_ms = ?
     WHERE price_name = ? AND effective_at_ms = ? AND withdrawn_at_ms IS NULL RETURNING id, notice_id`,
    [atMs, name, effectiveAtMs],
  );

/** Which notice tells of a change's withdrawal. */
export async function tellWithdrawal(tx: Tx, id: PricingChangeId, noticeId: PricingNoticeId): Promise<void> {
  await tx.run("UPDATE pricing_changes SET withdrawn_by_id = ? WHERE id = ?", [noticeId, id]);
}

/** What comes, the soonest first; only what comes behind `after`. */
export async function changesToCome(
  tx: ReadTx,
  page: { nowMs: number; after: PricingChangeId | null; limit: number },
): Promise<PricingChangeRow[]> {
  const behind =
    page.after === null
      ? ""
      : `AND (effective_at_ms, id) > (SELECT a.effective_at_ms, a.id FROM pricing_changes a WHERE a.id = ?)`;
  return tx.all(
    `SELECT * FROM pricing_changes WHERE withdrawn_at_ms IS NULL AND effective_at_ms > ? ${behind}
     ORDER BY effective_at_ms, id LIMIT ?`,
    [page.nowMs, ...(page.after === null ? [] : [page.after]), page.limit],
  );
}

/** What a notice tells: what it announces and was not taken back, or what it takes back. */
const toldBy = ({ withdrawsId }: Pick<PricingNoticeRow, "withdrawsId">) =>
  withdrawsId === null ? "notice_id = ? AND withdrawn_at_ms IS NULL" : "withdrawn_by_id = ?";

/** Of one notice, as they come into effect. */
export const changesOfNotice = (
  tx: ReadTx,
  notice: Pick<PricingNoticeRow, "id" | "withdrawsId">,
  limit: number,
) =>
  tx.all<PricingChangeRow>(
    `SELECT * FROM pricing_changes WHERE ${toldBy(notice)} ORDER BY effective_at_ms, id LIMIT ?`,
    [notice.id, limit],
  );

export async function countOfNotice(
  tx: ReadTx,
  notice: Pick<PricingNoticeRow, "id" | "withdrawsId">,
): Promise<number> {
  const row = await tx.get<{ changes: number }>(
    `SELECT CAST(COUNT(*) AS BIGINT) AS changes FROM pricing_changes WHERE ${toldBy(notice)}`,
    [notice.id],
  );
  return row?.changes ?? 0;
}

/** The oldest notice that some owner has no mail of; undefined: none. */
export const unmailedNotice = (tx: ReadTx) =>
  tx.get<PricingNoticeRow>("SELECT * FROM pricing_notices WHERE mailed_at_ms IS NULL ORDER BY id LIMIT 1");

/** Moves on behind these; `mailedAtMs`: there are no more. False: somebody else has. */
export async function moveNotice(
  tx: Tx,
  { id, mailedUpTo }: Pick<PricingNoticeRow, "id" | "mailedUpTo">,
  to: Pick<PricingNoticeRow, "mailedUpTo" | "mailedAtMs">,
): Promise<boolean> {
  const { changes } = await tx.run(
    `UPDATE pricing_notices SET mailed_up_to = ?, mailed_at_ms = ?
     WHERE id = ? AND mailed_up_to = ? AND mailed_at_ms IS NULL`,
    [to.mailedUpTo, to.mailedAtMs, id, mailedUpTo],
  );
  return changes === 1;
}

export const workspacesAfter = (tx: ReadTx, after: string, limit: number) =>
  tx.all<{ id: WorkspaceId }>("SELECT id FROM workspaces WHERE id > ? ORDER BY id LIMIT ?", [after, limit]);
