import type { ReadTx } from "./store.ts";

/** One row that breaks an invariant. */
export interface Breach {
  /** The id of what is wrong. */
  subject: string;
  found: number | null;
  expected: number | null;
}

export interface Invariant {
  /** What always holds, as a sentence. */
  name: string;
  /** Selects what breaks it, as Breach: nothing, where all is well. */
  breaches: string;
}

/** So many breaches of an invariant are shown; one is enough to fail. */
export const breachesShownMax = 5;

export async function breachesOf(tx: ReadTx, invariant: Invariant): Promise<Breach[]> {
  return tx.all(`${invariant.breaches} LIMIT ${breachesShownMax + 1}`);
}

// The price once more, by the database's integer division and not by engine/metering/price.ts, which it checks.
const secondsOf = (row: string) =>
  `CASE WHEN ${row}.ended_at_us > ${row}.answered_at_us
        THEN (${row}.ended_at_us - ${row}.answered_at_us + 999999) / 1000000 ELSE 0 END`;
const costOf = (row: string) =>
  `((${secondsOf(row)}) * ${row}.rate_micro_kes_per_minute * 2 + 600000) / 1200000`;

/** What a settlement put into the house's account of that kind. */
const putInto = (kind: string) =>
  `(SELECT COALESCE(CAST(SUM(e.amount_minor) AS BIGINT), 0) FROM ledger_entries e
    JOIN ledger_accounts a ON a.id = e.account_id
    WHERE e.transaction_id = t.id AND a.kind = '${kind}' AND a.workspace_id IS NULL)`;
const takenFromWallet = `(SELECT COALESCE(CAST(-SUM(e.amount_minor) AS BIGINT), 0) FROM ledger_entries e
    JOIN ledger_accounts a ON a.id = e.account_id
    WHERE e.transaction_id = t.id AND a.kind = 'wallet' AND a.workspace_id = c.workspace_id)`;
const vatBasisPoints = `(SELECT p.amount FROM prices p
    WHERE p.name = 'vat_basis_points' AND p.effective_at_ms <= c.ended_at_us / 1000
    ORDER BY p.effective_at_ms DESC LIMIT 1)`;

/** What moved an account of the house, but by a correction, which an operator answers for. */
const movedOf = (kind: string) =>
  `(SELECT COALESCE(CAST(SUM(e.amount_minor) AS BIGINT), 0) FROM ledger_entries e
    JOIN ledger_accounts a ON a.id = e.account_id
    JOIN ledger_transactions t ON t.id = e.transaction_id
    WHERE a.kind = '${kind}' AND a.workspace_id IS NULL AND t.kind <> 'correction')`;
const paymentsSum = (where: string) =>
  `(SELECT COALESCE(CAST(SUM(amount_minor) AS BIGINT), 0) FROM mpesa_payments WHERE ${where})`;
/** What a transaction put into a payment's wallet. */
const putIntoWallet = `(SELECT COALESCE(CAST(SUM(e.amount_minor) AS BIGINT), 0) FROM ledger_entries e
    JOIN ledger_accounts a ON a.id = e.account_id
    WHERE e.transaction_id = t.id AND a.kind = 'wallet' AND a.workspace_id = p.workspace_id)`;

const settlements = "cdrs c JOIN ledger_transactions t ON t.reference = c.leg_id || ' settled'";

const monthSeconds = "((last_day - first_day + 1) * 86400)";
/** What a month of storage costs, half up: no product here leaves 64 bits before a petabyte. */
const storageCost = `CASE WHEN gb_seconds < free_gb * ${monthSeconds} THEN 0
    ELSE (2 * gb_month_minor * (gb_seconds - free_gb * ${monthSeconds})
      + 2 * gb_month_minor * byte_seconds / 1000000000 + ${monthSeconds}) / (2 * ${monthSeconds}) END`;
const vatPart =
  "(2 * amount_minor * vat_basis_points + 10000 + vat_basis_points) / (2 * (10000 + vat_basis_points))";

/** Cheapest and deepest first: what later ones say means little where an earlier one is broken. */
export const invariants: readonly Invariant[] = [
  {
    name: "the sum of all entries is zero",
    breaches: `SELECT 'all entries' AS subject, CAST(SUM(amount_minor) AS BIGINT) AS found, 0 AS expected
      FROM ledger_entries HAVING SUM(amount_minor) <> 0`,
  },
  {
    name: "the entries of each transaction are two or more, and their sum is zero",
    breaches: `SELECT t.id AS subject, CAST(SUM(e.amount_minor) AS BIGINT) AS found, 0 AS expected
      FROM ledger_transactions t LEFT JOIN ledger_entries e ON e.transaction_id = t.id
      GROUP BY t.id HAVING COALESCE(SUM(e.amount_minor), 0) <> 0 OR COUNT(e.account_id) < 2`,
  },
  {
    name: "no two transactions have the same reference",
    breaches: `SELECT reference AS subject, CAST(COUNT(*) AS BIGINT) AS found, 1 AS expected
      FROM ledger_transactions GROUP BY reference HAVING COUNT(*) > 1`,
  },
  {
    name: "the balance of each account is the sum of its entries",
    breaches: `SELECT a.id AS subject, a.balance_minor AS found,
        COALESCE(CAST(SUM(e.amount_minor) AS BIGINT), 0) AS expected
      FROM ledger_accounts a LEFT JOIN ledger_entries e ON e.account_id = a.id
      GROUP BY a.id, a.balance_minor HAVING a.balance_minor <> COALESCE(SUM(e.amount_minor), 0)`,
  },
  {
    name: "the balance after each entry is the one before and the amount, and no entry of an account is missing",
    breaches: `SELECT transaction_id AS subject, balance_after_minor AS found,
        before_minor + amount_minor AS expected
      FROM (SELECT transaction_id, sequence, amount_minor, balance_after_minor,
          COALESCE(LAG(balance_after_minor) OVER (PARTITION BY account_id ORDER BY sequence), 0) AS before_minor,
          ROW_NUMBER() OVER (PARTITION BY account_id ORDER BY sequence) AS place
        FROM ledger_entries) AS chained
      WHERE balance_after_minor <> before_minor + amount_minor OR sequence <> place`,
  },
  {
    name: "each account knows how many entries it has",
    breaches: `SELECT a.id AS subject, a.last_sequence AS found, CAST(COUNT(e.account_id) AS BIGINT) AS expected
      FROM ledger_accounts a LEFT JOIN ledger_entries e ON e.account_id = a.id
      GROUP BY a.id, a.last_sequence HAVING a.last_sequence <> COUNT(e.account_id)`,
  },
  {
    name: "each day of a wallet opened with what was posted before it, and none is missing",
    breaches: `SELECT COALESCE(p.account_id, d.account_id) AS subject, d.opening_minor AS found,
        p.opening_minor AS expected
      FROM (SELECT account_id, day, first_sequence, last_sequence,
          CAST(SUM(moved_minor) OVER (PARTITION BY account_id ORDER BY day) - moved_minor AS BIGINT) AS opening_minor,
          LEAD(first_sequence) OVER (PARTITION BY account_id ORDER BY day) AS next_sequence
        FROM (SELECT e.account_id, (t.created_at_ms + 10800000) / 86400000 AS day, MIN(e.sequence) AS first_sequence,
            MAX(e.sequence) AS last_sequence, CAST(SUM(e.amount_minor) AS BIGINT) AS moved_minor
          FROM ledger_accounts a
          JOIN ledger_entries e ON e.account_id = a.id
          JOIN ledger_transactions t ON t.id = e.transaction_id
          WHERE a.kind = 'wallet'
          GROUP BY e.account_id, (t.created_at_ms + 10800000) / 86400000) AS days) AS p
      FULL JOIN wallet_days d ON d.account_id = p.account_id AND d.day = p.day
      WHERE d.opening_minor IS DISTINCT FROM p.opening_minor OR d.first_sequence IS DISTINCT FROM p.first_sequence
        OR (p.last_sequence > p.next_sequence AND COALESCE(d.late_sequence, 0) < p.last_sequence)`,
  },
  {
    name: "each leg that ended has its CDR",
    breaches: `SELECT l.id AS subject, 0 AS found, 1 AS expected FROM legs l
      WHERE l.ended_at_us IS NOT NULL AND NOT EXISTS (SELECT 1 FROM cdrs c WHERE c.leg_id = l.id)`,
  },
  {
    name: "each CDR has its leg's stamps and rate, and the leg its CDR's seconds and cost",
    breaches: `SELECT c.leg_id AS subject, l.ended_at_us AS found, c.ended_at_us AS expected
      FROM cdrs c LEFT JOIN legs l ON l.id = c.leg_id
      WHERE l.id IS NULL OR c.call_id <> l.call_id OR c.workspace_id <> l.workspace_id
        OR c.answered_at_us IS DISTINCT FROM l.answered_at_us
        OR c.ended_at_us IS DISTINCT FROM l.ended_at_us
        OR c.rate_micro_kes_per_minute <> l.rate_micro_kes_per_minute
        OR c.billed_seconds IS DISTINCT FROM l.billed_seconds
        OR c.cost_minor IS DISTINCT FROM l.cost_minor`,
  },
  {
    name: "no CDR has a negative time or cost",
    breaches: `SELECT leg_id AS subject, billed_seconds AS found, 0 AS expected FROM cdrs
      WHERE billed_seconds < 0 OR ring_us < 0 OR talk_us < 0 OR cost_minor < 0`,
  },
  {
    name: "the billed seconds of each CDR are those from answer to end, rounded up",
    breaches: `SELECT c.leg_id AS subject, c.billed_seconds AS found, ${secondsOf("c")} AS expected
      FROM cdrs c WHERE c.billed_seconds <> ${secondsOf("c")}`,
  },
  {
    name: "the cost of each CDR is its billed seconds at its rate, rounded half up",
    breaches: `SELECT c.leg_id AS subject, c.cost_minor AS found, ${costOf("c")} AS expected
      FROM cdrs c WHERE c.cost_minor <> ${costOf("c")}`,
  },
  {
    name: "each answered leg that ended and cost something was settled",
    breaches: `SELECT l.id AS subject, 0 AS found, 1 AS expected FROM legs l
      WHERE l.ended_at_us IS NOT NULL AND l.answered_at_us IS NOT NULL AND ${costOf("l")} > 0
        AND NOT EXISTS (SELECT 1 FROM ledger_transactions t
          WHERE t.reference = l.id || ' settled' AND t.kind = 'call')`,
  },
  {
    name: "each settlement took what its CDR says from the workspace's wallet",
    breaches: `SELECT t.id AS subject, ${takenFromWallet} AS found, ${costOf("c")} AS expected
      FROM ${settlements} WHERE ${takenFromWallet} <> ${costOf("c")}`,
  },
  {
    name: "each settlement split off the VAT of its day, rounded half up, and the rest is revenue from calls",
    breaches: `SELECT id AS subject, vat_minor AS found,
        (2 * cost_minor * basis_points + 10000 + basis_points) / (2 * (10000 + basis_points)) AS expected
      FROM (SELECT t.id, c.cost_minor, ${putInto("vat")} AS vat_minor,
          ${putInto("revenue_calls")} AS revenue_minor, ${vatBasisPoints} AS basis_points
        FROM ${settlements}) AS split
      WHERE basis_points IS NULL OR revenue_minor <> cost_minor - vat_minor
        OR vat_minor <> (2 * cost_minor * basis_points + 10000 + basis_points) / (2 * (10000 + basis_points))`,
  },
  {
    name: "no settlement is without a CDR that cost something",
    breaches: `SELECT t.id AS subject, 0 AS found, 1 AS expected FROM ledger_transactions t
      WHERE t.kind = 'call' AND NOT EXISTS (SELECT 1 FROM cdrs c
        WHERE c.leg_id = REPLACE(t.reference, ' settled', '') AND t.reference = c.leg_id || ' settled'
          AND c.cost_minor > 0)`,
  },
  {
    name: "each posting of rent is of one number and one month, by its reference, and no month is without it",
    breaches: `SELECT COALESCE(t.id, r.number_id) AS subject, r.month AS found, NULL AS expected
      FROM (SELECT * FROM ledger_transactions WHERE kind = 'number_rental') t
      FULL JOIN number_rentals r ON r.transaction_id = t.id
      WHERE (t.id IS NULL AND r.net_minor + r.vat_minor <> 0) OR (t.id IS NOT NULL AND (r.number_id IS NULL
        OR t.reference <> r.number_id || ' month ' || r.month OR t.workspace_id IS DISTINCT FROM r.workspace_id))`,
  },
  {
    name: "each posting of rent took what its month says from the workspace's wallet, for revenue and VAT",
    breaches: `SELECT t.id AS subject, paid_minor AS found, cost_minor AS expected
      FROM (SELECT t.id, c.net_minor + c.vat_minor AS cost_minor, c.net_minor, c.vat_minor AS vat_part_minor,
          ${takenFromWallet} AS paid_minor, ${putInto("revenue_rental")} AS revenue_minor, ${putInto("vat")} AS vat_minor
        FROM number_rentals c JOIN ledger_transactions t ON t.id = c.transaction_id) AS t
      WHERE paid_minor <> cost_minor OR revenue_minor <> net_minor OR vat_minor <> vat_part_minor`,
  },
  {
    name: "the months of each number follow each other without a gap, and it is paid until the last one's end",
    breaches: `SELECT n.id AS subject, n.paid_until_ms AS found, r.ends_at_ms AS expected
      FROM numbers n LEFT JOIN (SELECT number_id, month, begins_at_ms, ends_at_ms,
          ROW_NUMBER() OVER (PARTITION BY number_id ORDER BY month) AS place,
          LAG(ends_at_ms) OVER (PARTITION BY number_id ORDER BY month) AS before_ms,
          LEAD(month) OVER (PARTITION BY number_id ORDER BY month) AS next_month
        FROM number_rentals) AS r ON r.number_id = n.id
      WHERE (r.month IS NULL AND (COALESCE(n.paid_months, 0) <> 0
          OR n.paid_until_ms IS DISTINCT FROM CASE WHEN n.paid_months IS NULL THEN NULL ELSE n.provisioned_at_ms END))
        OR (r.month IS NOT NULL AND (r.month <> r.place OR r.ends_at_ms <= r.begins_at_ms
          OR r.begins_at_ms <> COALESCE(r.before_ms, n.provisioned_at_ms)
          OR (r.next_month IS NULL AND (n.paid_months IS DISTINCT FROM r.month
            OR n.paid_until_ms IS DISTINCT FROM r.ends_at_ms))))`,
  },
  {
    name: "each number that is rented and in service is looked at when what is paid for ends",
    breaches: `SELECT id AS subject, due_at_ms AS found, paid_until_ms AS expected FROM numbers
      WHERE (status = 'active' AND due_at_ms IS DISTINCT FROM paid_until_ms)
        OR (status = 'released' AND (due_at_ms IS NOT NULL OR held_e164 IS NOT NULL))
        OR (status <> 'released' AND held_e164 IS DISTINCT FROM e164)`,
  },
  {
    name: "each M-Pesa receipt was posted once, for what its record says, out of the clearing account",
    breaches: `SELECT p.receipt AS subject, ${putInto("mpesa_clearing")} AS found, -p.amount_minor AS expected
      FROM mpesa_payments p LEFT JOIN ledger_transactions t ON t.reference = 'mpesa ' || p.receipt
      WHERE t.id IS NULL OR ${putInto("mpesa_clearing")} <> -p.amount_minor
        OR ${putInto("suspense")} <> CASE WHEN p.suspense_reason IS NULL THEN 0 ELSE p.amount_minor END`,
  },
  {
    name: "the clearing account is what all M-Pesa receipts come to",
    breaches: `SELECT 'mpesa_clearing' AS subject, found, expected
      FROM (SELECT ${movedOf("mpesa_clearing")} AS found, -${paymentsSum("1 = 1")} AS expected) AS cleared
      WHERE found <> expected`,
  },
  {
    name: "suspense is what the payments come to that nobody was given",
    breaches: `SELECT 'suspense' AS subject, found, expected
      FROM (SELECT ${movedOf("suspense")} AS found, ${paymentsSum("workspace_id IS NULL")} AS expected) AS held
      WHERE found <> expected`,
  },
  {
    name: "each M-Pesa payment that is somebody's was put into their wallet, once",
    breaches: `SELECT p.id AS subject, ${putIntoWallet} AS found, p.amount_minor AS expected
      FROM mpesa_payments p LEFT JOIN ledger_transactions t
        ON t.reference = CASE WHEN p.suspense_reason IS NULL THEN 'mpesa ' || p.receipt ELSE p.id || ' assigned' END
      WHERE p.workspace_id IS NOT NULL AND (t.id IS NULL OR ${putIntoWallet} <> p.amount_minor)`,
  },
  {
    name: "each top-up that is confirmed has its payment, of its amount, in the wallet of who asked",
    breaches: `SELECT u.id AS subject, p.amount_minor AS found, u.amount_minor AS expected
      FROM topups u LEFT JOIN mpesa_payments p ON p.receipt = u.receipt
      WHERE u.state = 'succeeded' AND (p.id IS NULL OR p.workspace_id IS DISTINCT FROM u.workspace_id
        OR p.amount_minor <> u.amount_minor)`,
  },
  {
    name: "no M-Pesa payment is named by two top-ups",
    breaches: `SELECT receipt AS subject, CAST(COUNT(*) AS BIGINT) AS found, 1 AS expected
      FROM topups WHERE receipt IS NOT NULL GROUP BY receipt HAVING COUNT(*) > 1`,
  },
  {
    name: "the days of storage of each workspace follow each other without a gap",
    breaches: `SELECT m.workspace_id AS subject, m.next_day AS found, MAX(d.day) + 1 AS expected
      FROM storage_meters m JOIN storage_days d ON d.workspace_id = m.workspace_id
      GROUP BY m.workspace_id, m.next_day
      HAVING MAX(d.day) + 1 <> m.next_day OR MAX(d.day) - MIN(d.day) + 1 <> COUNT(*)`,
  },
  {
    name: "what each workspace uses of the storage is what its recordings take",
    breaches: `SELECT m.workspace_id AS subject, m.used_bytes AS found,
        CAST(COALESCE(SUM(r.size_bytes), 0) AS BIGINT) AS expected
      FROM storage_meters m LEFT JOIN recordings r ON r.workspace_id = m.workspace_id AND r.status = 'ready'
      GROUP BY m.workspace_id, m.used_bytes HAVING COALESCE(SUM(r.size_bytes), 0) <> m.used_bytes`,
  },
  {
    name: "the storage of each month that was settled is that of its days",
    breaches: `SELECT workspace_id AS subject, gb_seconds AS found, day_gb + day_bytes / 1000000000 AS expected
      FROM (SELECT m.workspace_id, m.gb_seconds, m.byte_seconds,
          COALESCE(CAST(SUM(d.gb_seconds) AS BIGINT), 0) AS day_gb,
          COALESCE(CAST(SUM(d.byte_seconds) AS BIGINT), 0) AS day_bytes
        FROM storage_months m LEFT JOIN storage_days d
          ON d.workspace_id = m.workspace_id AND d.day BETWEEN m.first_day AND m.last_day
        GROUP BY m.workspace_id, m.first_day, m.gb_seconds, m.byte_seconds) AS summed
      WHERE gb_seconds <> day_gb + day_bytes / 1000000000 OR byte_seconds <> day_bytes % 1000000000`,
  },
  {
    name: "each month of storage costs its average above what is free, rounded half up",
    breaches: `SELECT workspace_id AS subject, amount_minor AS found, ${storageCost} AS expected
      FROM storage_months WHERE amount_minor <> ${storageCost}`,
  },
  {
    name: "each month of storage that cost something has its posting, and no posting of storage is without one",
    breaches: `SELECT COALESCE(t.id, m.workspace_id) AS subject, m.amount_minor AS found, NULL AS expected
      FROM (SELECT * FROM ledger_transactions WHERE kind = 'storage') t
      FULL JOIN storage_months m ON m.transaction_id = t.id
      WHERE (t.id IS NULL AND m.amount_minor <> 0) OR (t.id IS NOT NULL
        AND (m.workspace_id IS NULL OR m.amount_minor = 0 OR t.workspace_id IS DISTINCT FROM m.workspace_id
          OR t.reference NOT LIKE 'storage ' || m.workspace_id || ' ____-__'))`,
  },
  {
    name: "each posting of storage took what its month says from the wallet, and split off its VAT, rounded half up",
    breaches: `SELECT id AS subject, paid_minor AS found, amount_minor AS expected
      FROM (SELECT t.id, c.amount_minor, c.vat_basis_points, ${takenFromWallet} AS paid_minor,
          ${putInto("revenue_storage")} AS revenue_minor, ${putInto("vat")} AS vat_minor
        FROM storage_months c JOIN ledger_transactions t ON t.id = c.transaction_id) AS split
      WHERE paid_minor <> amount_minor OR revenue_minor <> amount_minor - vat_minor OR vat_minor <> ${vatPart}`,
  },
  {
    name: "the numbers of each seller's invoices and credit notes run from 1, and none is missing",
    breaches: `SELECT s.seller_pin AS subject, CAST(COUNT(i.number) AS BIGINT) AS found, s.last_number AS expected
      FROM invoice_sequences s LEFT JOIN invoices i ON i.seller_pin = s.seller_pin
      GROUP BY s.seller_pin, s.last_number
      HAVING COUNT(i.number) <> s.last_number OR COALESCE(MAX(i.number), 0) <> s.last_number
        OR COALESCE(MIN(i.number), 1) <> 1`,
  },
  {
    name: "only what was used already, or a correction, takes a wallet below zero",
    breaches: `SELECT t.id AS subject, e.balance_after_minor AS found, 0 AS expected
      FROM ledger_entries e
      JOIN ledger_accounts a ON a.id = e.account_id
      JOIN ledger_transactions t ON t.id = e.transaction_id
      WHERE a.kind = 'wallet' AND e.amount_minor < 0 AND e.balance_after_minor < 0
        AND t.kind NOT IN ('call', 'storage', 'correction')`,
  },
];

export interface Overdrawn {
  wallets: number;
  lowestMinor: number | null;
}

export async function overdrawnWallets(tx: ReadTx): Promise<Overdrawn> {
  const row = await tx.get<Overdrawn>(
    `SELECT CAST(COUNT(*) AS BIGINT) AS wallets, MIN(balance_minor) AS lowest_minor
     FROM ledger_accounts WHERE kind = 'wallet' AND balance_minor < 0`,
  );
  return row ?? { wallets: 0, lowestMinor: null };
}
