import Database from "better-sqlite3";
import pg from "pg";

/** The rows that the audit reads, as they are stored. Integers are bigints in both databases. */
export interface Books {
  calls: CallRow[];
  legs: LegRow[];
  cdrs: CdrRow[];
  events: EventRow[];
  deliveries: DeliveryRow[];
  recordings: RecordingRow[];
  accounts: AccountRow[];
  transactions: TransactionRow[];
  entries: EntryRow[];
}

export interface CallRow {
  id: string;
  options: string;
  events_url: string | null;
  voice_callback_url: string | null;
  ended_at_us: bigint | null;
}
export interface LegRow {
  id: string;
  call_id: string;
  workspace_id: string;
  position: bigint;
  to_e164: string;
  created_at_ms: bigint;
  dialled_at_ms: bigint | null;
  rate_micro_kes_per_minute: bigint;
  answered_at_us: bigint | null;
  ended_at_us: bigint | null;
  billed_seconds: bigint | null;
  cost_minor: bigint | null;
}
export interface CdrRow {
  leg_id: string;
  rate_micro_kes_per_minute: bigint;
  answered_at_us: bigint | null;
  ended_at_us: bigint;
  billed_seconds: bigint;
  cost_minor: bigint;
  ended_by: string;
}
export interface EventRow {
  id: string;
  call_id: string;
  position: bigint;
  sequence: bigint | null;
  kind: string;
  payload: string;
}
export interface DeliveryRow {
  event_id: string;
  url: string;
  status: string;
}
export interface RecordingRow {
  id: string;
  call_id: string;
  leg_id: string;
  workspace_id: string;
  status: string;
  created_at_ms: bigint;
  started_at_us: bigint | null;
  ended_at_us: bigint | null;
  duration_ms: bigint | null;
  trim: bigint;
  size_bytes: bigint | null;
  sha256: string | null;
  object_key: string | null;
  object_removed_at_ms: bigint | null;
}
export interface AccountRow {
  id: string;
  kind: string;
  workspace_id: string | null;
  balance_minor: bigint;
  last_sequence: bigint;
}
export interface TransactionRow {
  id: string;
  reference: string;
  kind: string;
  workspace_id: string | null;
}
export interface EntryRow {
  transaction_id: string;
  account_id: string;
  sequence: bigint;
  amount_minor: bigint;
  balance_after_minor: bigint;
}

const queries: Record<keyof Books, string> = {
  calls: "SELECT * FROM calls ORDER BY id",
  legs: "SELECT * FROM legs ORDER BY id",
  cdrs: "SELECT * FROM cdrs ORDER BY leg_id",
  events: "SELECT * FROM call_events ORDER BY call_id, position",
  deliveries: "SELECT * FROM deliveries ORDER BY id",
  recordings: "SELECT * FROM recordings ORDER BY id",
  accounts: "SELECT * FROM ledger_accounts ORDER BY id",
  transactions: "SELECT * FROM ledger_transactions ORDER BY id",
  entries: "SELECT * FROM ledger_entries ORDER BY account_id, sequence",
};

/** What is not done yet, as a line each: the audit waits for it. Deliveries count where they go to `endpoint`. */
const unfinished = (endpoint: string) => `
  SELECT id || ' has not ended' AS line FROM calls WHERE ended_at_us IS NULL
  UNION ALL SELECT id || ' has not ended' FROM legs WHERE ended_at_us IS NULL
  UNION ALL SELECT call_id || ' has a command that is yet to be sent: ' || commands FROM intents
  UNION ALL SELECT id || ' is still ' || status FROM recordings
    WHERE status IN ('starting', 'recording', 'paused', 'stopping', 'uploading')
  UNION ALL SELECT event_id || ' (' || kind || ' of ' || COALESCE(call_id, 'no call') || ') is still to be told'
    FROM deliveries WHERE next_attempt_at_ms IS NOT NULL AND url LIKE '${endpoint}%'`;

/** A connection of the audit's own to the database that DATABASE_URL names; it only reads. */
export async function readBooks(databaseUrl: string): Promise<Books> {
  return withQuery(databaseUrl, async (query) => {
    const books: Partial<Record<keyof Books, unknown[]>> = {};
    for (const [name, sql] of Object.entries(queries) as [keyof Books, string][])
      books[name] = await query(sql);
    return books as unknown as Books;
  });
}

export async function readUnfinished(databaseUrl: string, endpoint: string): Promise<string[]> {
  const rows = await withQuery(databaseUrl, (query) => query(unfinished(endpoint)));
  return rows.map((row) => String(row["line"]));
}

type Row = Record<string, unknown>;
type Query = (sql: string) => Promise<Row[]>;

async function withQuery<T>(databaseUrl: string, work: (query: Query) => Promise<T>): Promise<T> {
  return databaseUrl.startsWith("sqlite:")
    ? onSqlite(databaseUrl.slice("sqlite:".length), work)
    : onPostgres(databaseUrl, work);
}

async function onSqlite<T>(file: string, work: (query: Query) => Promise<T>): Promise<T> {
  const database = new Database(file, { readonly: true, fileMustExist: true });
  database.defaultSafeIntegers(true);
  try {
    // One moment for all of it.
    database.exec("BEGIN");
    return await work((sql) => Promise.resolve(database.prepare(sql).all() as Row[]));
  } finally {
    database.close();
  }
}

const int8 = 20;

async function onPostgres<T>(url: string, work: (query: Query) => Promise<T>): Promise<T> {
  const types = {
    getTypeParser: (id: number, format?: "text" | "binary") =>
      id === int8 ? BigInt : (pg.types.getTypeParser as (id: number, format?: string) => unknown)(id, format),
  };
  const client = new pg.Client({ connectionString: url, types });
  await client.connect();
  try {
    await client.query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    return await work(async (sql) => (await client.query<Row>(sql)).rows);
  } finally {
    await client.end();
  }
}
