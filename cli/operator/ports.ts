import { parseArgs } from "node:util";
import { recordChange } from "../../engine/audit/audit.ts";
import { rfc3339Seconds } from "../../engine/clock.ts";
import { isId, type PortId } from "../../engine/ids.ts";
import { documentLink } from "../../engine/numbers/port-documents.ts";
import { movePort, portOut, type PortMove } from "../../engine/numbers/ports.ts";
import { portById, portsIn, portStatuses, type PortRow, type PortStatus } from "../../engine/store/ports.ts";
import { connectObjectStorage } from "../object-storage.ts";
import { UsageError } from "../usage.ts";
import { print, words, type Desk } from "./desk.ts";
import { numberParts } from "./number-parts.ts";

/** Those that are open, or in one status; a line for each, oldest first. */
export async function portsList({ store }: Desk, args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { status: { type: "string" } },
  });
  words(positionals);
  const open: PortStatus[] = ["submitted", "in_review", "scheduled"];
  const statuses = values.status === undefined ? open : [statusNamed(values.status)];
  for (const port of await store.read((tx) => portsIn(tx, statuses))) print(portLine(port));
}

/** With a link to its document that lives for an hour. */
export async function portsShow({ store, config, clock }: Desk, args: string[]): Promise<void> {
  const id = portId(words(args, "PORT")[0]);
  const port = await store.read((tx) => portById(tx, id));
  if (!port) throw new Error(`There is no porting request ${id}.`);
  let link: string | null = null;
  if (port.documentAtMs !== null) {
    const storage = await connectObjectStorage(config, clock);
    link = await documentLink(storage, port).finally(() => storage.close());
  }
  print({
    ...portLine(port),
    ...{ account_reference: port.accountReference, document_url: port.documentUrl },
    ...{ document_type: port.documentType, document_bytes: port.documentBytes },
    ...{ document_sha256: port.documentSha256, document_link: link },
    ...{ reason: port.reason, created_at: rfc3339Seconds(port.createdAtMs) },
  });
}

export async function portsMove(desk: Desk, args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      at: { type: "string" },
      reason: { type: "string" },
      force: { type: "boolean", default: false },
    },
  });
  const [port, status = ""] = words(positionals, "PORT", "STATUS");
  const id = portId(port);
  const move = moveOf(statusNamed(status), values, desk.clock.nowMs());
  const parts = await numberParts(desk);
  const moved = await desk.store.write(async (tx) => {
    const { before, after } = await movePort(tx, parts, id, move);
    await recordChange(tx, desk, {
      ...{ workspaceId: after.workspaceId, actor: { kind: "operator" }, action: "ports move", subject: id },
      ...{ before: portLine(before), after: portLine(after) },
    });
    return after;
  });
  print(portLine(moved));
}

export async function portsOut(desk: Desk, args: string[]): Promise<void> {
  const [e164 = ""] = words(args, "NUMBER");
  const parts = await numberParts(desk);
  const released = await desk.store.write(async (tx) => {
    const out = await portOut(tx, parts, e164);
    if (!out.ok && out.why === "not_here") throw new Error(`Nobody here has the number "${e164}".`);
    if (!out.ok)
      throw new Error(
        `${e164} has been here for less than 30 days; it may go from ${rfc3339Seconds(out.fromMs)} on.`,
      );
    const { id, workspaceId } = out.number;
    await recordChange(tx, desk, {
      ...{ workspaceId, actor: { kind: "operator" }, action: "ports out", subject: id },
      before: { number: e164 },
      after: { number: e164, status: "released", reason: "ported_out" },
    });
    return out.number;
  });
  print({
    number_id: released.id,
    number: e164,
    workspace_id: released.workspaceId,
    status: released.status,
  });
}

function moveOf(
  to: PortStatus,
  { at, reason, force }: { at?: string | undefined; reason?: string | undefined; force: boolean },
  nowMs: number,
): PortMove {
  if (to === "submitted") throw new Error("A request is submitted by its customer; it cannot go back there.");
  if ((to === "scheduled") !== (at !== undefined))
    throw new UsageError("--at TIME belongs to scheduled, which needs it.");
  if ((to === "rejected") !== (reason !== undefined))
    throw new UsageError('--reason "…" belongs to rejected, which needs it: the customer reads it.');
  if (force && to !== "completed") throw new UsageError("--force belongs to completed.");
  const scheduledForMs = at === undefined ? undefined : Date.parse(at);
  if (
    at !== undefined &&
    (!/^\d{4}-\d\d-\d\dT\d\d:\d\d.*(Z|[+-]\d\d:\d\d)$/.test(at) || Number.isNaN(scheduledForMs))
  )
    throw new Error(`"${at}" is not a time with its zone, like 2026-06-30T09:00+03:00.`);
  if (scheduledForMs !== undefined && scheduledForMs < nowMs)
    throw new Error(`${at ?? ""} is past. Nothing was done.`);
  return {
    to,
    ...(scheduledForMs === undefined ? {} : { scheduledForMs }),
    ...(reason === undefined ? {} : { reason }),
    early: force,
  };
}

const portLine = (port: PortRow) => ({
  port_id: port.id,
  workspace_id: port.workspaceId,
  number: port.e164,
  status: port.status,
  current_carrier: port.currentCarrier,
  expected_from: port.expectedFrom,
  expected_by: port.expectedBy,
  scheduled_for: port.scheduledForMs === null ? null : rfc3339Seconds(port.scheduledForMs),
  number_id: port.numberId,
});

function portId(text: string | undefined): PortId {
  if (!isId("port", text)) throw new Error(`"${text ?? ""}" is not a porting request's id (port_…).`);
  return text;
}

function statusNamed(text: string): PortStatus {
  const status = portStatuses.find((known) => known === text);
  if (!status) throw new Error(`There is no status "${text}"; known are ${portStatuses.join(", ")}.`);
  return status;
}
