import { parseArgs } from "node:util";
import { rfc3339Seconds } from "../../engine/clock.ts";
import { isId } from "../../engine/ids.ts";
import { banByOperator, liftBan, type BanParts } from "../../engine/sip/bans.ts";
import { isWithin } from "../../engine/sip/addresses.ts";
import { standingBans, type BanSubject, type SipBanRow } from "../../engine/store/sip-bans.ts";
import { devicesRuleset, scannerRules, type DevicePort } from "../../engine/sip/firewall-rules.ts";
import { isIPv4 } from "node:net";
import type { Config } from "../config.ts";
import { keptPort } from "../kept-port.ts";
import { readTrunks } from "../open-trunks.ts";
import { neverBanned } from "../sip-devices.ts";
import { UsageError } from "../usage.ts";
import { print, recordOperatorChange, words, type Desk } from "./desk.ts";

/** More than there ever are. */
const listedMax = 100_000;

export async function bansList(desk: Desk, args: string[]): Promise<void> {
  const { positionals } = parseArgs({ args, allowPositionals: true, options: {} });
  words(positionals);
  const { store, clock } = desk;
  for (const row of await store.read((tx) => standingBans(tx, clock.nowMs(), listedMax))) print(view(row));
}

/** The box's firewall, or the media server's list of logins, has it within seconds. */
export async function bansAdd(desk: Desk, args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { for: { type: "string" }, reason: { type: "string" } },
  });
  const subject = subjectOf(words(positionals, "ADDRESS|CREDENTIAL")[0]);
  const forMs = durationOf(values.for);
  const note = values.reason?.trim() || null;
  if (subject.kind === "address" && isWithin(subject.subject, await neverNow(desk)))
    throw new Error(
      `${subject.subject} is never banned: BAN_NEVER, a trunk, or an address of the media server's or the edge's.`,
    );
  const row = await desk.store.write(async (tx) => {
    const banned = await banByOperator(tx, parts(desk), subject, { forMs, note });
    await recordOperatorChange(tx, desk, {
      ...{ workspaceId: banned.workspaceId, action: "bans add", subject: subject.subject },
      ...{ before: null, after: view(banned) },
    });
    return banned;
  });
  print(view(row));
}

export async function bansLift(desk: Desk, args: string[]): Promise<void> {
  const { positionals } = parseArgs({ args, allowPositionals: true, options: {} });
  const subject = subjectOf(words(positionals, "ADDRESS|CREDENTIAL")[0]);
  const lifted = await desk.store.write(async (tx) => {
    const row = await liftBan(tx, parts(desk), subject);
    if (!row) throw new Error(`${subject.subject} is not banned.`);
    await recordOperatorChange(tx, desk, {
      ...{ workspaceId: row.workspaceId, action: "bans lift", subject: subject.subject },
      ...{ before: view({ ...row, liftedAtMs: null }), after: null },
    });
    return row;
  });
  print(view(lifted));
}

/**
 * What the operator loads at the box's start, as root; the spool role keeps its set of banned addresses. By the settings alone: the database may
 * not be there yet, and is not to be made by root.
 */
export async function bansFirewall(config: Config, args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { scanners: { type: "boolean", default: false } },
  });
  words(positionals);
  const ports = await devicePorts(config);
  const rules = values.scanners
    ? scannerRules(ports)
    : devicesRuleset({ ports, never: await neverNow({ config }) });
  process.stdout.write(rules);
}

/** Those that customers are told: of the simulated switch the one that it took. */
async function devicePorts({ boxes, sip, dataDir }: Config): Promise<DevicePort[]> {
  if (boxes.length > 0) return Object.entries(sip.ports).map(([transport, port]) => ({ transport, port }));
  const port = sip.embeddedPort || (await keptPort(dataDir, "sip.port"));
  if (port === 0)
    throw new Error(
      "The simulated switch takes its port for phones at its first start: start it before, or set SIP_DEVICES_PORT.",
    );
  return [{ transport: "udp", port }];
}

/** A file of trunks that is wrong is told of elsewhere, and names nobody here. */
async function neverNow({ config }: Pick<Desk, "config">): Promise<string[]> {
  const file = await readTrunks(config);
  return neverBanned(config, file?.ok ? file.trunks : []);
}

function subjectOf(text: string | undefined): BanSubject {
  if (text !== undefined && isIPv4(text)) return { kind: "address", subject: text };
  if (isId("sip", text)) return { kind: "credential", subject: text };
  throw new UsageError(`"${text ?? ""}" is neither an IPv4 address nor a SIP credential's id (sip_…).`);
}

const units: Record<string, number> = { m: 60_000, h: 3_600_000, d: 86_400_000 };
const forMsMax = 365 * 86_400_000;

function durationOf(text: string | undefined): number {
  const [, count = "0", unit = "m"] = /^([1-9][0-9]{0,5})([mhd])$/.exec(text ?? "") ?? [];
  const forMs = Number(count) * (units[unit] ?? 0);
  if (forMs === 0 || forMs > forMsMax)
    throw new UsageError(`bans add: --for "${text ?? ""}" is no time like 30m, 6h or 7d, a year at most.`);
  return forMs;
}

/** Whoever acts on it looks every few seconds. */
const parts = ({ clock }: Desk): BanParts => ({ clock, changed: () => undefined });

const view = (row: SipBanRow) => ({
  ...{ kind: row.kind, subject: row.subject, workspace_id: row.workspaceId },
  ...{ reason: row.reason, note: row.note, failures: row.failures, round: row.round },
  since: rfc3339Seconds(row.sinceMs),
  until: rfc3339Seconds(row.untilMs),
  lifted_at: row.liftedAtMs === null ? null : rfc3339Seconds(row.liftedAtMs),
  let_in_from: JSON.parse(row.spared) as string[],
});
