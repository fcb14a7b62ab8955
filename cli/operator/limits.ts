import { parseArgs } from "node:util";
import { workspaceView } from "../../api/schemas/workspace.ts";
import type { WorkspaceId } from "../../engine/ids.ts";
import { callsToHangUp } from "../../engine/store/calls.ts";
import type { Tx } from "../../engine/store/store.ts";
import {
  keepWorkspace,
  updateWorkspace,
  workspaceById,
  type WorkspaceRow,
} from "../../engine/store/workspaces.ts";
import { centsOfKes } from "../../engine/wallet/money.ts";
import { openCalls } from "../open-calls.ts";
import { UsageError } from "../usage.ts";
import { print, recordOperatorChange, words, workspaceOf, type Desk } from "./desk.ts";

export async function workspaceShow(desk: Desk, args: string[]): Promise<void> {
  const { positionals } = parseArgs({ args, allowPositionals: true, options: {} });
  const id = await workspaceOf(desk.store, words(positionals, "WORKSPACE")[0]);
  print(shown(await desk.store.read((tx) => workspaceById(tx, id))));
}

/** From the commit on nobody places a call or takes one; those that run are ended too where that is asked for. */
export async function workspaceFreeze(desk: Desk, args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { reason: { type: "string" }, "end-calls": { type: "boolean", default: false } },
  });
  const id = await workspaceOf(desk.store, words(positionals, "WORKSPACE")[0]);
  const reason = values.reason?.trim();
  if (reason === "") throw new UsageError("workspace freeze: --reason is empty.");
  const frozen = await change(desk, id, "workspace freeze", (before) => ({
    frozenAtMs: before.frozenAtMs ?? desk.clock.nowMs(),
    frozenReason: reason ?? before.frozenReason,
  }));
  const ended = values["end-calls"] ? { calls_ended: await endCalls(desk, id) } : {};
  print({ ...shown(frozen), ...ended });
}

export async function workspaceUnfreeze(desk: Desk, args: string[]): Promise<void> {
  const { positionals } = parseArgs({ args, allowPositionals: true, options: {} });
  const id = await workspaceOf(desk.store, words(positionals, "WORKSPACE")[0]);
  const set = () => ({ frozenAtMs: null, frozenReason: null });
  print(shown(await change(desk, id, "workspace unfreeze", set)));
}

/** Without an option it only shows. */
export async function workspaceLimits(desk: Desk, args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      "requests-per-minute": { type: "string" },
      cps: { type: "string" },
      concurrent: { type: "string" },
      "daily-spend-cap-kes": { type: "string" },
      "highest-rate-kes": { type: "string" },
      "short-calls": { type: "string" },
      "numbers-per-range": { type: "string" },
      "new-country-watch": { type: "string" },
    },
  });
  const id = await workspaceOf(desk.store, words(positionals, "WORKSPACE")[0]);
  const patch = {
    requestsPerMinute: count("--requests-per-minute", values["requests-per-minute"]),
    callsPerSecond: count("--cps", values.cps),
    concurrentCalls: count("--concurrent", values.concurrent),
    dailySpendCapMaxMinor: orNone(shillings, "--daily-spend-cap-kes", values["daily-spend-cap-kes"]),
    highestRatePerMinuteMaxMinor: orNone(shillings, "--highest-rate-kes", values["highest-rate-kes"]),
    shortCallsMax: orNone(count, "--short-calls", values["short-calls"]),
    numbersPerRangeMax: orNone(count, "--numbers-per-range", values["numbers-per-range"]),
    newCountryWatch: yesOrNo("--new-country-watch", values["new-country-watch"]),
  };
  print(shown(await change(desk, id, "workspace limits", () => patch)));
}

type Patch = Parameters<typeof updateWorkspace>[2];

/** Written down only where it changes something. */
async function change(
  desk: Desk,
  id: WorkspaceId,
  action: string,
  patch: (before: WorkspaceRow) => Patch,
): Promise<WorkspaceRow | undefined> {
  return desk.store.write(async (tx: Tx) => {
    const row = await keepWorkspace(tx, id);
    if (!row) throw new Error(`There is no workspace ${id}.`);
    await updateWorkspace(tx, id, patch(row));
    const [before, now] = [shown(row), await workspaceById(tx, id)];
    const after = shown(now);
    if (JSON.stringify(before) !== JSON.stringify(after))
      await recordOperatorChange(tx, desk, { ...{ workspaceId: id, action, subject: id }, before, after });
    return now;
  });
}

function shown(row: WorkspaceRow | undefined) {
  if (!row) throw new Error("The workspace is gone.");
  const { id, ...view } = workspaceView(row);
  return { workspace_id: id, ...view, frozen_reason: row.frozenReason };
}

/** A transaction each, so that one that takes its time holds up no other. */
async function endCalls(desk: Desk, id: WorkspaceId): Promise<number> {
  const calls = openCalls(desk.config, desk);
  let ended = 0;
  for (;;) {
    const live = await desk.store.read((tx) => callsToHangUp(tx, id, 100));
    for (const call of live) await desk.store.write((tx) => calls.hangUp(tx, id, call.id));
    ended += live.length;
    if (live.length === 0) return ended;
  }
}

const countMax = 1_000_000;

function count(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = /^[0-9]{1,7}$/.test(text) ? Number(text) : 0;
  if (value < 1 || value > countMax)
    throw new UsageError(`workspace limits: ${option} "${text}" is no whole number from 1 to ${countMax}.`);
  return value;
}

function shillings(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = centsOfKes(text);
  if (value === null)
    throw new UsageError(`workspace limits: ${option} "${text}" is no amount like 500 or 49.50.`);
  return value;
}

const orNone = (
  read: (option: string, text: string | undefined) => number | undefined,
  option: string,
  text: string | undefined,
): number | null | undefined => (text === "none" ? null : read(option, text));

function yesOrNo(option: string, text: string | undefined): 0 | 1 | undefined {
  if (text === undefined) return undefined;
  if (text !== "yes" && text !== "no") throw new UsageError(`workspace limits: ${option} is yes or no.`);
  return text === "yes" ? 1 : 0;
}
