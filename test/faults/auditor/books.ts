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
  workspaces: WorkspaceRow[];
  conferences: ConferenceRow[];
  members: MemberRow[];
  topUps: TopUpRow[];
  payments: PaymentRow[];
  numbers: NumberRow[];
  rentals: RentalRow[];
  endpoints: EndpointRow[];
  mails: MailRow[];
  meters: MeterRow[];
}

export interface CallRow {
  id: string;
  workspace_id: string;
  options: string;
  events_url: string | null;
  voice_callback_url: string | null;
  ended_at_us: bigint | null;
}
export interface LegRow {
  id: string;
  call_id: string;
  workspace_id: string;
  /** The switch's name of it, where that is not the leg's id. */
  channel_uuid: string | null;
  position: bigint;
  kind: string;
  direction: string;
  from_e164: string;
  to_e164: string;
  created_at_ms: bigint;
  dialled_at_ms: bigint | null;
  rate_micro_kes_per_minute: bigint;
  started_at_us: bigint | null;
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
  kind: string;
  workspace_id: string;
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

export interface WorkspaceRow {
  id: string;
  mpesa_account_ref: string;
}
export interface ConferenceRow {
  id: string;
  name: string;
  ended_at_ms: bigint | null;
}
export interface MemberRow {
  conference_id: string;
  call_id: string;
  leg_id: string;
  status: string;
  joined_at_us: bigint | null;
  left_at_us: bigint | null;
}
export interface TopUpRow {
  id: string;
  workspace_id: string;
  amount_minor: bigint;
  account_reference: string;
  callback_key: string;
  state: string;
  receipt: string | null;
}
export interface PaymentRow {
  id: string;
  receipt: string;
  amount_minor: bigint;
  topup_id: string | null;
  workspace_id: string | null;
  suspense_reason: string | null;
}
export interface NumberRow {
  id: string;
  workspace_id: string;
  e164: string;
  held_e164: string | null;
  status: string;
  origin: string;
  paid_months: bigint | null;
}
export interface RentalRow {
  number_id: string;
  month: bigint;
  workspace_id: string;
  begins_at_ms: bigint;
  ends_at_ms: bigint;
  net_minor: bigint;
  vat_minor: bigint;
  transaction_id: string | null;
}
export interface EndpointRow {
  id: string;
  workspace_id: string;
  url: string;
  created_at_ms: bigint;
}
export interface MailRow {
  id: string;
  once_key: string;
  status: string;
  next_attempt_at_ms: bigint | null;
}
export interface MeterRow {
  workspace_id: string;
  used_bytes: bigint;
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
  workspaces: "SELECT id, mpesa_account_ref FROM workspaces ORDER BY id",
  conferences: "SELECT * FROM conferences ORDER BY id",
  members: "SELECT * FROM conference_members ORDER BY token",
  topUps: "SELECT * FROM topups ORDER BY id",
  payments: "SELECT * FROM mpesa_payments ORDER BY id",
  numbers: "SELECT * FROM numbers ORDER BY id",
  rentals: "SELECT * FROM number_rentals ORDER BY number_id, month",
  endpoints: "SELECT * FROM webhook_endpoints ORDER BY id",
  mails: "SELECT * FROM mails ORDER BY id",
  meters: "SELECT * FROM storage_meters ORDER BY workspace_id",
};

/** What is not done yet, as a line each: the audit waits for it. Deliveries count where they go to `endpoint`. */
const unfinished = (endpoint: string) => `
  SELECT id || ' has not ended' AS line FROM calls WHERE ended_at_us IS NULL
  UNION ALL SELECT id || ' has not ended' FROM legs WHERE ended_at_us IS NULL
  UNION ALL SELECT call_id || ' has a command that is yet to be sent: ' || commands FROM intents
  UNION ALL SELECT id || ' is still ' || status FROM recordings
    WHERE status IN ('starting', 'recording', 'paused', 'stopping', 'uploading')
  UNION ALL SELECT event_id || ' (' || kind || ' of ' || COALESCE(call_id, 'no call') || ') is still to be told'
    FROM deliveries WHERE next_attempt_at_ms IS NOT NULL AND url LIKE '${endpoint}%'
  UNION ALL SELECT 'conference ' || id || ' goes on' FROM conferences WHERE ended_at_ms IS NULL
  UNION ALL SELECT id || ' (' || kind || ') was told by Safaricom and is not worked off' FROM mpesa_notices
    WHERE due_at_ms IS NOT NULL
  UNION ALL SELECT id || ' was asked for, and not sent' FROM topups WHERE state = 'requested'`;

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
