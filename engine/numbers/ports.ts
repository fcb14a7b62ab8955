import { dayMs, rfc3339Seconds } from "../clock.ts";
import { spokenTime } from "../east-africa-time.ts";
import { destinationClass, parseE164 } from "../e164.ts";
import { SautikitError } from "../errors.ts";
import type { PortId, WorkspaceId } from "../ids.ts";
import { keepInventory } from "../store/inventory.ts";
import { ownersOf } from "../store/members.ts";
import { numberByE164, numberById, type NumberRow } from "../store/numbers.ts";
import {
  insertPort,
  portById,
  portToChange,
  updatePort,
  type PortRow,
  type PortStatus,
} from "../store/ports.ts";
import type { ReadTx, Tx } from "../store/store.ts";
import { keepWorkspace } from "../store/workspaces.ts";
import { tellWorkspace } from "../webhooks/workspace-events.ts";
import { businessDayAfter } from "./business-days.ts";
import { releaseNumber, tellProvisioned, type NumberParts } from "./claims.ts";
import { addNumber } from "./numbers.ts";
import { isOpen, mayMove } from "./port-state.ts";
import { renewNumber } from "./renewals.ts";

/** Working days, from the request to the move. */
const businessDays = { min: 2, max: 5 } as const;

/** A number stays here for so long before it may go to another carrier. */
const portOutMinMs = 30 * dayMs;

export interface PortRequest {
  number: string;
  currentCarrier: string;
  accountReference: string;
  voiceCallbackUrl: string | null;
  documentUrl: string | null;
}

/** Throws `ports.not_portable`, `ports.number_here`, `ports.in_inventory`, `ports.already_open`. */
export async function requestPort(
  tx: Tx,
  parts: NumberParts,
  workspaceId: WorkspaceId,
  { number, ...request }: PortRequest,
): Promise<PortRow> {
  const parsed = parseE164(number);
  if (!parsed.ok || parsed.country !== "KE" || destinationClass(number) !== "e164")
    throw new SautikitError("ports.not_portable");
  if (await numberByE164(tx, number)) throw new SautikitError("ports.number_here");
  if (await keepInventory(tx, { e164: number })) throw new SautikitError("ports.in_inventory");
  const nowMs = parts.clock.nowMs();
  const id = parts.ids.next("port");
  const added = await insertPort(tx, {
    ...{ id, workspaceId, e164: number, country: "ke", ...request, createdAtMs: nowMs },
    expectedFrom: businessDayAfter(nowMs, businessDays.min),
    expectedBy: businessDayAfter(nowMs, businessDays.max),
  });
  if (!added) throw new SautikitError("ports.already_open");
  const port = await requirePort(tx, workspaceId, id);
  await tellPort(tx, parts, port);
  return port;
}

/** Throws `ports.not_found`, `ports.closed`. */
export async function cancelPort(
  tx: Tx,
  parts: NumberParts,
  workspaceId: WorkspaceId,
  id: PortId,
): Promise<{ before: PortRow; after: PortRow }> {
  await keepWorkspace(tx, workspaceId);
  const before = await portToChange(tx, id);
  if (before?.workspaceId !== workspaceId) throw new SautikitError("ports.not_found");
  if (!isOpen(before.status)) throw new SautikitError("ports.closed");
  const after = { ...before, status: "canceled" as const, updatedAtMs: parts.clock.nowMs() };
  await updatePort(tx, id, after);
  await tellPort(tx, parts, after);
  return { before, after };
}

export interface PortMove {
  to: PortStatus;
  /** Of a scheduled one. */
  scheduledForMs?: number;
  /** Of a rejected one. */
  reason?: string;
  /** Completed before the time for which it is scheduled. */
  early?: boolean;
}

/**
 * The operator's step: told, mailed to the owners, and on completion the number is the workspace's, in service and its
 * first month paid; where it cannot be paid, suspended. Throws `ports.not_found`, `ports.number_here`; an Error, where
 * the request cannot go there from where it is.
 */
export async function movePort(
  tx: Tx,
  parts: NumberParts,
  id: PortId,
  { to, scheduledForMs, reason, early = false }: PortMove,
): Promise<{ before: PortRow; after: PortRow }> {
  const seen = await portById(tx, id);
  if (!seen) throw new SautikitError("ports.not_found");
  await keepWorkspace(tx, seen.workspaceId);
  const before = await portToChange(tx, id);
  if (!before) throw new SautikitError("ports.not_found");
  if (!mayMove(before.status, to)) throw new Error(`${id} is ${before.status}; it cannot become ${to}.`);
  const nowMs = parts.clock.nowMs();
  if (to === "completed" && !early && nowMs < (before.scheduledForMs ?? 0))
    throw new Error(
      `${id} is scheduled for ${rfc3339Seconds(before.scheduledForMs ?? 0)}, which is to come; --force completes it now.`,
    );
  const number = to === "completed" ? await takeIn(tx, parts, before, nowMs) : null;
  const after: PortRow = {
    ...before,
    ...{ status: to, updatedAtMs: nowMs, numberId: number?.id ?? null, reason: reason ?? null },
    scheduledForMs: scheduledForMs ?? before.scheduledForMs,
  };
  await updatePort(tx, id, after);
  await tellPort(tx, parts, after);
  await parts.mails.send(tx, {
    // Moved twice within a millisecond it is told twice.
    key: `${id} ${to} ${parts.ids.next("evt")}`,
    workspaceId: after.workspaceId,
    to: await ownersOf(tx, after.workspaceId),
    subject: `${after.e164}: ${subjects[to]}`,
    text: textOf(after),
  });
  return { before, after };
}

async function takeIn(tx: Tx, parts: NumberParts, port: PortRow, nowMs: number): Promise<NumberRow> {
  const { workspaceId, e164, country, voiceCallbackUrl } = port;
  const added = await addNumber(tx, parts, {
    ...{ workspaceId, e164, country, voiceCallbackUrl, origin: "port", provisionedAtMs: nowMs },
  });
  const number = added && (await numberById(tx, added.id));
  if (!number) throw new SautikitError("ports.number_here");
  await tellProvisioned(tx, parts, number);
  await renewNumber(tx, parts, number, nowMs);
  return number;
}

const subjects: Record<PortStatus, string> = {
  submitted: "your porting request has come in",
  in_review: "your porting request is being looked at",
  scheduled: "the day on which the number moves is set",
  completed: "the number has moved to Sautikit",
  rejected: "your porting request was rejected",
  canceled: "your porting request was canceled",
};

function textOf({ id, e164, status, scheduledForMs, reason }: PortRow): string {
  const more =
    status === "scheduled" && scheduledForMs !== null
      ? `\nIt moves on ${spokenTime(scheduledForMs)}. Around then calls to it fail for a while, typically under 30 minutes.\n`
      : status === "rejected" && reason !== null
        ? `\n${reason}\n`
        : "";
  return `${e164}: ${subjects[status]}.\n${more}\nThe request is ${id}.\n`;
}

const tellPort = (tx: Tx, parts: NumberParts, port: PortRow): Promise<void> =>
  tellWorkspace(tx, parts, {
    workspaceId: port.workspaceId,
    kind: "port.updated",
    data: {
      ...{ port_id: port.id, number: port.e164, status: port.status, reason: port.reason },
      scheduled_for: port.scheduledForMs === null ? null : rfc3339Seconds(port.scheduledForMs),
      number_id: port.numberId,
    },
  });

/** Throws `ports.not_found`. */
export async function requirePort(tx: ReadTx, workspaceId: WorkspaceId, id: PortId): Promise<PortRow> {
  const port = await portById(tx, id);
  if (port?.workspaceId !== workspaceId) throw new SautikitError("ports.not_found");
  return port;
}

export type PortedOut =
  | { ok: true; number: NumberRow }
  | { ok: false; why: "not_here" }
  | { ok: false; why: "too_early"; fromMs: number };

/** The number has gone to another carrier: released, and out of the inventory. Not in its first 30 days. */
export async function portOut(tx: Tx, parts: NumberParts, e164: string): Promise<PortedOut> {
  const held = await numberByE164(tx, e164);
  if (!held) return { ok: false, why: "not_here" };
  const fromMs = held.provisionedAtMs + portOutMinMs;
  if (parts.clock.nowMs() < fromMs) return { ok: false, why: "too_early", fromMs };
  const released = await releaseNumber(tx, parts, held.workspaceId, held.id, "ported_out");
  if (!released) return { ok: false, why: "not_here" };
  await parts.mails.send(tx, {
    key: `${held.id} ported out`,
    workspaceId: held.workspaceId,
    to: await ownersOf(tx, held.workspaceId),
    subject: `${e164} has moved to another carrier`,
    text: `${e164} has left Sautikit, as was asked for. No more rent is charged for it.\n`,
  });
  return { ok: true, number: released.after };
}
