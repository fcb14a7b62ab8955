import type { NumberId, SipId, WorkspaceId } from "../ids.ts";
import { ofStrays, type Strays } from "./calls.ts";
import { insertRow, updateRow } from "./rows.ts";
import type { ReadTx, Tx } from "./store.ts";

export interface SipCredentialRow {
  id: SipId;
  workspaceId: WorkspaceId;
  numberId: NumberId;
  label: string;
  createdAtMs: number;
  rotatedAtMs: number | null;
  revokedAtMs: number | null;
  /** Of calls that its devices place. */
  maxConcurrentCalls: number;
  maxCallsPerSecond: number;
}

/** With its own login, and the one before while a rotation overlaps; and until when it is banned. */
export interface SipCredential extends SipCredentialRow {
  bannedUntilMs: number | null;
  username: string;
  previousUsername: string | null;
  previousEndsAtMs: number | null;
}

export interface SipLoginRow {
  username: string;
  credentialId: SipId;
  ha1: string;
  createdAtMs: number;
  endsAtMs: number | null;
}

export const insertSipCredential = (tx: Tx, row: SipCredentialRow) => insertRow(tx, "sip_credentials", row);
export const insertSipLogin = (tx: Tx, row: SipLoginRow) => insertRow(tx, "sip_logins", row);

/** Takes a time, twice: a ban before that is over is none, and so is a login. */
const credentials = `SELECT c.*, o.username, p.username AS previous_username, p.ends_at_ms AS previous_ends_at_ms,
    (SELECT b.until_ms FROM sip_bans b WHERE b.kind = 'credential' AND b.subject = c.id AND b.lifted_at_ms IS NULL
       AND b.until_ms > ?) AS banned_until_ms
  FROM sip_credentials c JOIN sip_logins o ON o.credential_id = c.id AND o.ends_at_ms IS NULL
  LEFT JOIN sip_logins p ON p.username =
    (SELECT username FROM sip_logins WHERE credential_id = c.id AND ends_at_ms > ? ORDER BY ends_at_ms DESC LIMIT 1)`;

/** Of a number's, newest first, those older than `before`; revoked ones are not there. */
export const sipCredentialsPage = (
  tx: ReadTx,
  numberId: NumberId,
  page: { nowMs: number; limit: number; before: SipId | null },
) =>
  tx.all<SipCredential>(
    `${credentials} WHERE c.number_id = ? AND c.revoked_at_ms IS NULL ${page.before === null ? "" : "AND c.id < ?"}
     ORDER BY c.id DESC LIMIT ?`,
    [page.nowMs, page.nowMs, numberId, ...(page.before === null ? [] : [page.before]), page.limit],
  );

export const sipCredentialOf = (tx: ReadTx, numberId: NumberId, id: SipId, nowMs: number) =>
  tx.get<SipCredential>(`${credentials} WHERE c.number_id = ? AND c.id = ? AND c.revoked_at_ms IS NULL`, [
    ...[nowMs, nowMs],
    numberId,
    id,
  ]);

export async function countSipCredentials(tx: ReadTx, numberId: NumberId): Promise<number> {
  const row = await tx.get<{ count: number }>(
    "SELECT COUNT(*) AS count FROM sip_credentials WHERE number_id = ? AND revoked_at_ms IS NULL",
    [numberId],
  );
  return row?.count ?? 0;
}

export async function revokeSipCredential(tx: Tx, id: SipId, nowMs: number): Promise<void> {
  await tx.run("UPDATE sip_credentials SET revoked_at_ms = ? WHERE id = ? AND revoked_at_ms IS NULL", [
    nowMs,
    id,
  ]);
}

/** Its own login ends then; another becomes its own. */
export async function endSipLogins(tx: Tx, id: SipId, endsAtMs: number, nowMs: number): Promise<void> {
  // Two are let in at most: however often it is rotated, an earlier overlap ends.
  await tx.run("UPDATE sip_logins SET ends_at_ms = ? WHERE credential_id = ? AND ends_at_ms > ?", [
    nowMs,
    id,
    nowMs,
  ]);
  await tx.run("UPDATE sip_logins SET ends_at_ms = ? WHERE credential_id = ? AND ends_at_ms IS NULL", [
    endsAtMs,
    id,
  ]);
  await tx.run("UPDATE sip_credentials SET rotated_at_ms = ? WHERE id = ?", [nowMs, id]);
}

/** What a login that is let in is: takes a time. */
const letIn = `FROM sip_logins l JOIN sip_credentials c ON c.id = l.credential_id JOIN numbers n ON n.id = c.number_id
  WHERE c.revoked_at_ms IS NULL AND n.status <> 'released' AND (l.ends_at_ms IS NULL OR l.ends_at_ms > ?)`;

/**
 * All that media servers let in, by username. `spared`: its credential is banned, and let in from those addresses alone; JSON
 * text.
 */
export const sipLogins = (tx: ReadTx, nowMs: number) =>
  tx.all<Pick<SipLoginRow, "username" | "ha1"> & { spared: string | null }>(
    `SELECT l.username, l.ha1, (SELECT b.spared FROM sip_bans b WHERE b.kind = 'credential' AND b.subject = c.id
       AND b.lifted_at_ms IS NULL AND b.until_ms > ?) AS spared ${letIn} ORDER BY l.username`,
    [nowMs, nowMs],
  );

/** A login that somebody tried. */
export interface TriedLogin {
  username: string;
  credentialId: SipId;
  /** Its credential is banned, and let in from those addresses alone: JSON text. */
  spared: string | null;
  /** 1: a box has had `bindingsMax` of it since `boundSinceMs`. */
  isFull: 0 | 1;
  createdAtMs: number;
}

/** Of those names that are let in, each once. */
export const triedLogins = (
  tx: ReadTx,
  usernames: readonly string[],
  { nowMs, boundSinceMs, bindingsMax }: { nowMs: number; boundSinceMs: number; bindingsMax: number },
) =>
  tx.all<TriedLogin>(
    `SELECT l.username, l.created_at_ms, c.id AS credential_id, (SELECT b.spared FROM sip_bans b WHERE b.kind = 'credential'
         AND b.subject = c.id AND b.lifted_at_ms IS NULL AND b.until_ms > ?) AS spared,
       CASE WHEN EXISTS (SELECT 1 FROM sip_registrations r WHERE r.username = l.username AND r.expires_at_ms > ?
         GROUP BY r.box HAVING COUNT(*) >= ?) THEN 1 ELSE 0 END AS is_full
     ${letIn} AND l.username IN (${usernames.map(() => "?").join(", ")})`,
    [nowMs, boundSinceMs, bindingsMax, nowMs, ...usernames],
  );

/** Undefined: there is none, or it was revoked. */
export const credentialToBan = (tx: ReadTx, id: SipId) =>
  tx.get<Pick<SipCredentialRow, "id" | "workspaceId" | "numberId" | "label">>(
    "SELECT id, workspace_id, number_id, label FROM sip_credentials WHERE id = ? AND revoked_at_ms IS NULL",
    [id],
  );

export async function updateSipCredential(
  tx: Tx,
  id: SipId,
  patch: Partial<Pick<SipCredentialRow, "label" | "maxConcurrentCalls" | "maxCallsPerSecond">>,
): Promise<void> {
  await updateRow(tx, "sip_credentials", ["id", id], patch);
}

/** Where a credential's devices are registered from just now, each address once; the latest to expire first. */
export async function addressesOfCredential(
  tx: ReadTx,
  id: SipId,
  { nowMs, limit }: { nowMs: number; limit: number },
): Promise<string[]> {
  const rows = await tx.all<{ address: string }>(
    `SELECT r.address, MAX(r.expires_at_ms) AS latest_ms FROM sip_registrations r
       JOIN sip_logins l ON l.username = r.username
     WHERE l.credential_id = ? AND r.expires_at_ms > ? GROUP BY r.address ORDER BY latest_ms DESC, r.address LIMIT ?`,
    [id, nowMs, limit],
  );
  return rows.map(({ address }) => address);
}

/** Whether any customer's device is registered from there. */
export async function isRegisteredFrom(tx: ReadTx, address: string, nowMs: number): Promise<boolean> {
  const row = await tx.get(
    "SELECT username FROM sip_registrations WHERE address = ? AND expires_at_ms > ? LIMIT 1",
    [address, nowMs],
  );
  return row !== undefined;
}

/** Whose a login is, and what it may do. Undefined: it is let in no more. */
export const holderOfLogin = (tx: ReadTx, username: string, nowMs: number) =>
  tx.get<LoginHolder>(
    `SELECT c.id AS credential_id, c.number_id, c.workspace_id, c.max_concurrent_calls, c.max_calls_per_second
     ${letIn} AND l.username = ?`,
    [nowMs, username],
  );

export interface LoginHolder extends Pick<SipCredentialRow, "maxConcurrentCalls" | "maxCallsPerSecond"> {
  credentialId: SipId;
  numberId: NumberId;
  workspaceId: WorkspaceId;
}

/** Where they register, for `box`. */
export interface SipDirectoryRow {
  box: string;
  writtenSha256: string;
  loadedSha256: string | null;
}

export const sipDirectory = (tx: ReadTx, box: string) =>
  tx.get<SipDirectoryRow>("SELECT * FROM sip_directories WHERE box = ?", [box]);

/** From here on it is to be read, whatever it was before. */
export async function directoryWritten(tx: Tx, box: string, sha256: string): Promise<void> {
  await tx.run(
    `INSERT INTO sip_directories (box, written_sha256) VALUES (?, ?)
     ON CONFLICT (box) DO UPDATE SET written_sha256 = excluded.written_sha256, loaded_sha256 = NULL`,
    [box, sha256],
  );
}

export async function directoryLoaded(tx: Tx, box: string, sha256: string): Promise<void> {
  await tx.run("UPDATE sip_directories SET loaded_sha256 = ? WHERE box = ?", [sha256, box]);
}

export async function forgetDirectoriesOfStrays(tx: Tx, strays: Strays): Promise<void> {
  const { condition, params } = ofStrays(strays, "box");
  await tx.run(`DELETE FROM sip_directories WHERE ${condition}`, params);
}

export interface SipRegistrationRow {
  box: string;
  username: string;
  sipCallId: string;
  contactUri: string;
  contact: string | null;
  transport: string;
  address: string;
  port: number;
  userAgent: string;
  expiresAtMs: number;
}

/** All of a media server's, or those of one login there, as they were last written. */
export const registrationsOfBox = (tx: ReadTx, box: string, username: string | null = null) =>
  tx.all<SipRegistrationRow>(
    `SELECT * FROM sip_registrations WHERE box = ? ${username === null ? "" : "AND username = ?"}`,
    username === null ? [box] : [box, username],
  );

export async function saveRegistration(tx: Tx, row: SipRegistrationRow): Promise<void> {
  await insertRow(
    tx,
    "sip_registrations",
    row,
    `ON CONFLICT (box, username, sip_call_id) DO UPDATE SET contact_uri = excluded.contact_uri,
       contact = excluded.contact, transport = excluded.transport, address = excluded.address,
       port = excluded.port, user_agent = excluded.user_agent, expires_at_ms = excluded.expires_at_ms`,
  );
}

/** How many bindings a login has there whose time is not over. */
export async function countRegistrations(
  tx: ReadTx,
  box: string,
  username: string,
  nowMs: number,
): Promise<number> {
  const row = await tx.get<{ count: number }>(
    "SELECT COUNT(*) AS count FROM sip_registrations WHERE box = ? AND username = ? AND expires_at_ms > ?",
    [box, username, nowMs],
  );
  return row?.count ?? 0;
}

/** The logins of credentials whose bans spare no address: takes a time. */
const shutOut = `SELECT l.username FROM sip_logins l JOIN sip_bans b ON b.kind = 'credential' AND b.subject = l.credential_id
  WHERE b.spared = '[]' AND b.lifted_at_ms IS NULL AND b.until_ms > ?`;

/** Who is registered there with a login that is let in no more, or, while its credential is banned, from nowhere. */
export const registeredStrangers = (tx: ReadTx, box: string, nowMs: number) =>
  tx.all<{ username: string }>(
    `SELECT DISTINCT username FROM sip_registrations WHERE box = ?
       AND (username NOT IN (SELECT l.username ${letIn}) OR username IN (${shutOut}))`,
    [box, nowMs, nowMs],
  );

/** Whether a login may be registered, from wherever. */
export async function mayRegister(tx: ReadTx, username: string, nowMs: number): Promise<boolean> {
  const row = await tx.get(
    `SELECT l.username ${letIn} AND l.username = ? AND l.username NOT IN (${shutOut})`,
    [...[nowMs, username, nowMs]],
  );
  return row !== undefined;
}

export async function deleteRegistrationsOf(tx: Tx, box: string, username: string): Promise<void> {
  await tx.run("DELETE FROM sip_registrations WHERE box = ? AND username = ?", [box, username]);
}

export async function deleteRegistration(
  tx: Tx,
  { box, username, sipCallId }: Pick<SipRegistrationRow, "box" | "username" | "sipCallId">,
): Promise<void> {
  await tx.run("DELETE FROM sip_registrations WHERE box = ? AND username = ? AND sip_call_id = ?", [
    box,
    username,
    sipCallId,
  ]);
}

/** What can be rung just now, by its way there, each once a box; the latest to expire first. */
export const ringable = (
  tx: ReadTx,
  of: { credential: SipId } | { number: NumberId },
  { nowMs, limit }: { nowMs: number; limit: number },
) =>
  tx.all<{ box: string; username: string; contact: string; userAgent: string }>(
    `SELECT r.box, r.username, r.contact, MAX(r.user_agent) AS user_agent, MAX(r.expires_at_ms) AS latest_ms FROM sip_registrations r
       JOIN sip_logins l ON l.username = r.username
       JOIN sip_credentials c ON c.id = l.credential_id JOIN numbers n ON n.id = c.number_id
     WHERE ${"credential" in of ? "c.id" : "n.id"} = ? AND c.revoked_at_ms IS NULL AND n.status = 'active'
       AND n.blocked_at_ms IS NULL AND (l.ends_at_ms IS NULL OR l.ends_at_ms > ?) AND r.expires_at_ms > ?
       AND r.contact IS NOT NULL
     GROUP BY r.box, r.username, r.contact ORDER BY latest_ms DESC, r.contact, r.box LIMIT ?`,
    ["credential" in of ? of.credential : of.number, nowMs, nowMs, limit],
  );

/** What a credential's logins are registered with just now, whichever is asked for; the latest to expire first. */
export const registrationsOf = (
  tx: ReadTx,
  of: { credential: SipId } | { number: NumberId },
  { nowMs, limit }: { nowMs: number; limit: number },
) =>
  tx.all<SipRegistrationRow & { credentialId: SipId }>(
    `SELECT r.*, c.id AS credential_id FROM sip_registrations r JOIN sip_logins l ON l.username = r.username
       JOIN sip_credentials c ON c.id = l.credential_id JOIN numbers n ON n.id = c.number_id
     WHERE ${"credential" in of ? "c.id" : "n.id"} = ? AND c.revoked_at_ms IS NULL AND n.status <> 'released'
       AND (l.ends_at_ms IS NULL OR l.ends_at_ms > ?) AND r.expires_at_ms > ?
     ORDER BY r.expires_at_ms DESC, r.username, r.sip_call_id LIMIT ?`,
    ["credential" in of ? of.credential : of.number, nowMs, nowMs, limit],
  );

/**
 * Bindings that were over before then, of a box that is no more, too, and logins that ended before then and have none; `limit` of
 * each at most.
 */
export async function sweepLogins(tx: Tx, endedBeforeMs: number, limit: number): Promise<void> {
  await tx.run(
    `DELETE FROM sip_registrations WHERE (box, username, sip_call_id) IN
       (SELECT box, username, sip_call_id FROM sip_registrations WHERE expires_at_ms < ? ORDER BY expires_at_ms LIMIT ?)`,
    [endedBeforeMs, limit],
  );
  await tx.run(
    `DELETE FROM sip_logins WHERE username IN (SELECT l.username FROM sip_logins l WHERE l.ends_at_ms < ?
       AND NOT EXISTS (SELECT 1 FROM sip_registrations r WHERE r.username = l.username) ORDER BY l.ends_at_ms LIMIT ?)`,
    [endedBeforeMs, limit],
  );
}

/** The boxes that devices of the number are registered with just now, the one with the most first. */
export async function boxesOfDevices(
  tx: ReadTx,
  of: { number: NumberId } | { e164: string },
  nowMs: number,
): Promise<string[]> {
  const rows = await tx.all<{ box: string; devices: number }>(
    `SELECT r.box, COUNT(*) AS devices FROM numbers n JOIN sip_credentials c ON c.number_id = n.id
       JOIN sip_logins l ON l.credential_id = c.id JOIN sip_registrations r ON r.username = l.username
     WHERE ${"number" in of ? "n.id" : "n.held_e164"} = ? AND c.revoked_at_ms IS NULL AND r.expires_at_ms > ?
       AND r.contact IS NOT NULL GROUP BY r.box ORDER BY devices DESC, r.box`,
    ["number" in of ? of.number : of.e164, nowMs],
  );
  return rows.map(({ box }) => box);
}
