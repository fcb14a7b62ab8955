/**
 * Where a process can be killed to the instruction. The product knows nothing of them: preload.ts, which tests load into
 * its processes, sits at the doors through which everything durable or visible goes: the database's commits, what is
 * written to a socket, and what becomes of a file. A name is `before <point>` (nothing of it has happened) or
 * `after <point>` (it has, and nobody here knows yet).
 */
export type Failpoint = `${"before" | "after"} ${string}`;

/** A commit that changes this table, of the transactions that share it. */
export const committedTables = [
  ...["idempotent_responses", "calls", "legs", "call_events", "intents", "deliveries", "delivery_attempts"],
  ...["cdrs", "ledger_transactions", "ledger_entries", "ledger_accounts", "wallet_days", "boxes"],
  ...["recordings", "storage_meters", "conferences", "conference_members"],
  ...["topups", "mpesa_payments", "mpesa_notices", "mpesa_tokens", "numbers", "number_rentals"],
  ...["sip_credentials", "sip_logins", "sip_registrations", "sip_directories", "mails", "webhook_endpoints"],
  ...["audit_entries"],
] as const;

/** Commands to the switch, as they begin on the wire. */
export const switchCommands = [
  ...[
    "originate",
    "uuid_kill",
    "uuid_record",
    "uuid_broadcast",
    "uuid_break",
    "uuid_transfer",
    "uuid_answer",
  ],
  ...["uuid_send_dtmf", "uuid_setvar", "uuid_dump", "sched_api", "sched_del", "conference", "playback"],
  ...["unicast", "uuid_intercept", "uuid_bridge", "show", "intercept"],
] as const;

/** Requests that we send, by whom they go to, and our own answers. */
export const requestsSent = [
  ...["webhook", "question", "upload", "storage look", "push", "push query", "payments pull", "answer"],
] as const;

const points = {
  controller: [
    ...committedTables.filter((table) => table !== "sip_directories" && table !== "storage_meters"),
  ].map((table) => `commit ${table}`),
  switch: switchCommands.map((name) => `command ${name}`),
  requests: requestsSent.filter((name) => name !== "upload" && name !== "storage look"),
  controllerFiles: ["put mail"],
  spool: ["commit recordings", "commit storage_meters", "commit deliveries", "commit call_events"],
  spoolMore: ["commit sip_directories"],
  spoolRequests: ["upload", "storage look"],
  spoolFiles: ["remove record", "remove recording", "put directory"],
};

const both = (names: readonly string[]): Failpoint[] =>
  names.flatMap((name): Failpoint[] => [`before ${name}`, `after ${name}`]);

/** Of the process that answers customers and leads calls. */
export const controllerFailpoints = both([
  ...points.controller,
  ...points.switch,
  ...points.requests,
  ...points.controllerFiles,
]);
/** Of the process that takes up what the switch writes. */
export const spoolFailpoints = both([
  ...points.spool,
  ...points.spoolMore,
  ...points.spoolRequests,
  ...points.spoolFiles,
]);

/** The table that a statement changes. */
export const tableOf = (sql: string): string | undefined =>
  /^\s*(?:INSERT INTO|UPDATE|DELETE FROM)\s+(\w+)/i.exec(sql)?.[1];

/** What is being written to a socket, if it is one of the points. */
export function pointOf(text: string): string | undefined {
  const command = /^(?:bgapi|api) (\w+)/.exec(text)?.[1];
  if (command !== undefined) return `command ${command}`;
  const sent = /^sendmsg [^\n]*\ncall-command: (\w+)(?:\nexecute-app-name: (\w+))?/.exec(text);
  if (sent) return `command ${sent[2] ?? sent[1]}`;
  if (text.startsWith("HTTP/1.1 ")) return "answer";
  const [, method, path = ""] = /^([A-Z]+) (\S+) HTTP\/1\.1/.exec(text) ?? [];
  if (method === undefined) return undefined;
  if (path.includes("/events")) return "webhook";
  if (path.includes("/voice")) return "question";
  if (path.includes("stkpushquery")) return "push query";
  if (path.includes("stkpush")) return "push";
  if (path.includes("pulltransactions")) return "payments pull";
  if (path.includes("rec_")) return method === "PUT" ? "upload" : "storage look";
  return undefined;
}

/** What is done to a file, if it is one of the points. */
export function fileChangeOf(change: "remove" | "put", path: string): string | undefined {
  if (change === "remove" && path.includes("/cdr/")) return "remove record";
  if (change === "remove" && path.includes("/recordings/")) return "remove recording";
  if (change === "put" && path.includes("/mail/")) return "put mail";
  if (change === "put" && path.includes("/directory/")) return "put directory";
  return undefined;
}

/** What a process under test is told over its control socket, a line of JSON each; each is answered by a line `ok`. */
export type Order =
  | { do: "arm"; failpoint: Failpoint; skip: number }
  | { do: "disarm" }
  /** Its wall clock is off by so much from now on; timers and the monotonic clock are not. */
  | { do: "step"; byMs: number }
  /** Each of its commits takes so long from now on, as on a disk that is slow to keep its word. */
  | { do: "slow"; commitMs: number };

/** Where a process listens for orders: the name of its environment variable. */
export const controlVariable = "SAUTIKIT_TEST_CONTROL";
