import { snakeCase } from "./column-names.ts";
import type { SqlValue, Tx } from "./store.ts";

type Table =
  | "calls"
  | "legs"
  | "call_events"
  | "conferences"
  | "conference_members"
  | "topups"
  | "mpesa_payments"
  | "workspaces"
  | "sip_credentials"
  | "sip_destinations"
  | "sip_logins"
  | "sip_registrations"
  | "sip_bans"
  | "leg_attempts"
  | "trunk_tests";
type Values<Row> = { readonly [Field in keyof Row]: SqlValue };

/** A whole row, by its fields. False: `onConflict` let it be. */
export async function insertRow<Row extends Values<Row>>(
  tx: Tx,
  table: Table,
  row: Row,
  onConflict = "",
): Promise<boolean> {
  const fields = Object.entries<SqlValue>({ ...row });
  const { changes } = await tx.run(
    `INSERT INTO ${table} (${fields.map(([field]) => snakeCase(field)).join(", ")})
     VALUES (${fields.map(() => "?").join(", ")}) ${onConflict}`,
    fields.map(([, value]) => value),
  );
  return changes === 1;
}

/** What the patch names; nothing where it names nothing. `key`: its column, and the row's value there. */
export async function updateRow<Patch extends Values<Patch>>(
  tx: Tx,
  table: Table,
  [column, value]: readonly ["id" | "token", string],
  patch: Patch,
): Promise<void> {
  const fields = Object.entries<SqlValue>({ ...patch });
  if (fields.length === 0) return;
  await tx.run(
    `UPDATE ${table} SET ${fields.map(([field]) => `${snakeCase(field)} = ?`).join(", ")} WHERE ${column} = ?`,
    [...fields.map(([, set]) => set), value],
  );
}
