import { parseArgs } from "node:util";
import { rfc3339Ms, rfc3339Seconds } from "../../engine/clock.ts";
import { parseE164 } from "../../engine/e164.ts";
import type { FieldError } from "../../engine/errors.ts";
import type { TrunkTestOutcome } from "../../engine/sip/trunks/trunk-tests.ts";
import { sayFault } from "../../engine/sip/trunks/trunk-watch.ts";
import { deleteTrunkTests, insertTrunkTest, trunkTest } from "../../engine/store/trunk-tests.ts";
import { liveLegsByTrunk, trunkGateways, type TrunkGatewayRow } from "../../engine/store/trunks.ts";
import { channelName } from "../../engine/switch/channel-names.ts";
import { readTrunks } from "../open-trunks.ts";
import { UsageError } from "../usage.ts";
import { print, words, type Desk } from "./desk.ts";

/** Each trunk with its state at each box; then what is wrong with the file, if it is not in force. */
export async function trunkList({ config, store }: Desk, args: string[]): Promise<void> {
  const { positionals } = parseArgs({ args, allowPositionals: true, options: {} });
  words(positionals);
  const read = await readTrunks(config);
  const { rows, live } = await store.read(async (tx) => ({
    rows: await trunkGateways(tx),
    live: await liveLegsByTrunk(tx),
  }));
  const gone = read === null ? ofLostFile(rows) : null;
  if (read === null && gone === null)
    print({ name: config.gateway, via: "switch", file: null, live_calls: live.get(config.gateway) ?? 0 });
  for (const trunk of read?.ok ? read.trunks : []) {
    const { name, via, host, port, transport, prefixes, channels, priority, weight } = trunk;
    print({
      ...{ name, via, host: `${host}:${port}`, transport, registers: trunk.registerSeconds !== null },
      ...{ prefixes, channels, priority, weight, live_calls: live.get(name) ?? 0 },
      boxes: rows.filter((row) => row.trunk === name).map(boxView),
    });
  }
  const faults = gone !== null ? [gone] : read?.ok === false ? read.bad : [];
  if (faults.length === 0) return;
  print({ file: config.trunks.file, in_force: false, faults: faults.map(sayFault) });
  process.exitCode = 1;
}

/** There is no file now, and what runs has the trunks of one; null: there was none. */
function ofLostFile(rows: readonly TrunkGatewayRow[]): FieldError | null {
  const names = new Set(rows.flatMap((row) => (row.writtenSha256 === null ? [] : [row.trunk])));
  if (names.size === 0) return null;
  const message = `is gone, and ${[...names].join(", ")} stay in force until the next start`;
  return { field: "body", code: "missing", message };
}

const boxView = ({ box, writtenSha256, loadedSha256, up, changedAtMs }: TrunkGatewayRow) => ({
  box,
  state:
    writtenSha256 === null || loadedSha256 !== writtenSha256
      ? "changing"
      : up === null
        ? "unknown"
        : up === 1
          ? "up"
          : "down",
  since: changedAtMs === null ? null : rfc3339Seconds(changedAtMs),
});

/** The controller takes it up within a second; the switch rings for half a minute at most, and plays 2 s. */
const takenUpMsMax = 8_000;
const overMsMax = 60_000;
const lookEveryMs = 200;
const keptMs = 3_600_000;

/** Places one call over that trunk alone, through the running server. On nobody's account: it is no leg, and has no price. */
export async function trunkTestCall({ config, store, clock, ids }: Desk, args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { from: { type: "string" } },
  });
  const [trunk, number] = words(positionals, "NAME", "NUMBER");
  const read = await readTrunks(config);
  const gone = read === null ? ofLostFile(await store.read(trunkGateways)) : null;
  const faults = gone !== null ? [gone] : read?.ok === false ? read.bad : [];
  if (faults.length > 0) throw new Error(`The file of trunks is wrong: ${faults.map(sayFault).join("; ")}`);
  const names = (read?.ok ? read.trunks : undefined)?.map(({ name }) => name) ?? [config.gateway];
  if (trunk === undefined || !names.includes(trunk))
    throw new UsageError(`"${trunk ?? ""}" is no trunk; there are ${names.join(", ") || "none"}.`);
  const toE164 = e164Of("NUMBER", number);
  const fromE164 = e164Of("--from", values.from ?? number);
  const channel = channelName(ids.bytes(16));
  const createdAtMs = clock.nowMs();
  const row = { channel, trunk, toE164, fromE164, createdAtMs, sentAtMs: null, outcome: null };
  await store.write((tx) => insertTrunkTest(tx, row));
  try {
    const outcome = await waitFor({ store, clock }, channel, createdAtMs);
    print({ trunk, to: toE164, from: fromE164, ...outcomeView(outcome) });
    if (outcome.kind !== "placed" || outcome.outcome.answeredAtUs === null) process.exitCode = 1;
  } finally {
    await store.write((tx) => deleteTrunkTests(tx, channel, clock.nowMs() - keptMs));
  }
}

async function waitFor(
  { store, clock }: Pick<Desk, "store" | "clock">,
  channel: string,
  createdAtMs: number,
): Promise<TrunkTestOutcome> {
  for (;;) {
    const row = await store.read((tx) => trunkTest(tx, channel));
    if (row?.outcome != null) return JSON.parse(row.outcome) as TrunkTestOutcome;
    const sinceMs = clock.nowMs() - createdAtMs;
    if (row?.sentAtMs === null && sinceMs > takenUpMsMax)
      return { kind: "failed", reason: "no running server took it up, or its media server is away" };
    if (sinceMs > overMsMax) return { kind: "failed", reason: "the server took it up, and never told" };
    await clock.sleep(lookEveryMs);
  }
}

function outcomeView(told: TrunkTestOutcome): Record<string, unknown> {
  if (told.kind === "failed") return { ok: false, reason: told.reason };
  const { createdAtUs, ringingAtUs, answeredAtUs, endedAtUs, cause, sipStatus, codec, packetsHeard } =
    told.outcome;
  const since = (us: number | null) => (us === null ? null : Math.round((us - createdAtUs) / 1000));
  return {
    ok: answeredAtUs !== null,
    // The switch tells none of a call that it ended itself.
    sip_status: answeredAtUs === null ? sipStatus : 200,
    hangup_cause: cause.toLowerCase(),
    placed_at: rfc3339Ms(Math.floor(createdAtUs / 1000)),
    ms_to_ring: since(ringingAtUs),
    ms_to_answer: since(answeredAtUs),
    seconds: answeredAtUs === null ? 0 : Math.round((endedAtUs - answeredAtUs) / 100_000) / 10,
    codec,
    // Whether anything came back from them; what they heard only they can say.
    packets_heard: packetsHeard,
    billed_minor: 0,
  };
}

function e164Of(what: string, text: string | undefined): `+${string}` {
  const parsed = parseE164(text ?? "");
  if (!parsed.ok) throw new UsageError(`${what} must be a number like +254722000001.`);
  return (text ?? "") as `+${string}`;
}
