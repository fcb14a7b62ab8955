import { Gauge, type Registry } from "prom-client";
import type { Clock } from "../../engine/clock.ts";
import {
  backlogOf,
  backlogs,
  countUnreadableNotices,
  countUnseenLegs,
  suspenseMinor,
  type BacklogName,
} from "../../engine/store/backlog.ts";
import { countLive, countOneWay } from "../../engine/store/calls.ts";
import { lastChecks } from "../../engine/store/checks.ts";
import { countShort } from "../../engine/store/recordings.ts";
import { countStandingBans } from "../../engine/store/sip-bans.ts";
import { trunkGateways } from "../../engine/store/trunks.ts";
import type { ReadTx, Store } from "../../engine/store/store.ts";

/** Live legs are compared with the switch's list every 30 s. */
const unseenAfterUs = 120_000_000;
const oneWayUs = 3_600_000_000;
/** Prometheus gives a scrape 10 s; of a database that is away everything else is told all the same. */
const answerMsMax = 3_000;

interface Sample {
  name: string;
  labels?: Record<string, string>;
  value: number;
}

const gauges: readonly (readonly [name: string, help: string, ...labelNames: string[]])[] = [
  ["sautikit_calls_live", "Calls that have not ended."],
  ["sautikit_legs_live", "Legs that have not ended."],
  ["sautikit_deliveries_pending", "Webhook deliveries that are still to be made."],
  ["sautikit_legs_one_way", "Legs that ended in the last hour with audio one way, or none."],
  [
    "sautikit_legs_unseen",
    "Live legs that no media server has shown for two minutes: what they cost is not known.",
  ],
  ["sautikit_sip_bans_address", "Bans that stand: of a SIP device's address."],
  ["sautikit_sip_bans_credential", "Bans that stand: of a SIP device's credential."],
  [
    "sautikit_recordings_short",
    "Recordings that lack more than 2 % of the talk, and more than 100 ms; those without a file too.",
  ],
  [
    "sautikit_trunk_up",
    "Whether a trunk can be called from a media server, as that one says: 1 or 0; while nobody knows it is not there.",
    ...["trunk", "box"],
  ],
  [
    "sautikit_backlog",
    "What waits to be done: intents for the switch, webhooks never tried, mails, recordings to store, payments in suspense, top-ups, what Safaricom told.",
    "work",
  ],
  [
    "sautikit_backlog_oldest_seconds",
    "For how long the oldest of it has waited, in seconds; 0: nothing waits.",
    "work",
  ],
  ["sautikit_suspense_kes", "KES in payments that nobody could be credited with."],
  ["sautikit_mpesa_unreadable", "What Safaricom told and nobody could read, kept for 90 days."],
  [
    "sautikit_check_timestamp_seconds",
    "When everything was last checked, Unix time; check: ledger (`ledger verify`) or recordings (`recordings verify`).",
    "check",
  ],
  ["sautikit_check_findings", "What that check found wrong.", "check"],
  ["sautikit_backup_timestamp_seconds", "When `backup` last saved the database, Unix time."],
];

/**
 * What the store says: the same from whichever process is asked. One snapshot answers a scrape; each question follows an index
 * of what lives or waits, so that it costs the same after a year. Where the database is away the gauges are left out.
 */
export function showStore(registry: Registry, parts: { store: Store; clock: Clock }): void {
  const { store, clock } = parts;
  let asking: Promise<Sample[] | null> | null = null;
  // All collect at once, and share the answer.
  const ask = () => (asking ??= answer().finally(() => (asking = null)));
  for (const [name, help, ...labelNames] of gauges)
    new Gauge({
      ...{ name, help, labelNames, registers: [registry] },
      async collect() {
        const samples = await ask();
        if (labelNames.length === 0) this.remove();
        else this.reset();
        for (const { name: of, labels = {}, value } of samples ?? [])
          if (of === name) this.set(labels, value);
      },
    });
  new Gauge({
    name: "sautikit_database_answers",
    help: "Whether the database answered this scrape: 1 or 0.",
    registers: [registry],
    async collect() {
      this.set((await ask()) === null ? 0 : 1);
    },
  });

  async function answer(): Promise<Sample[] | null> {
    const given = new AbortController();
    const late = clock.sleep(answerMsMax, given.signal).then(() => null);
    late.catch(() => undefined);
    const samples = store.read((tx) => samplesOf(tx, clock)).catch(() => null);
    return Promise.race([samples, late]).finally(() => given.abort());
  }
}

async function samplesOf(tx: ReadTx, clock: Clock): Promise<Sample[]> {
  const live = await countLive(tx);
  const bans = await countStandingBans(tx, clock.nowMs());
  const samples: Sample[] = [
    { name: "sautikit_calls_live", value: live.calls },
    { name: "sautikit_legs_live", value: live.legs },
    { name: "sautikit_deliveries_pending", value: live.deliveries },
    { name: "sautikit_legs_one_way", value: await countOneWay(tx, clock.nowUs() - oneWayUs) },
    { name: "sautikit_legs_unseen", value: await countUnseenLegs(tx, clock.nowUs() - unseenAfterUs) },
    { name: "sautikit_sip_bans_address", value: bans.address },
    { name: "sautikit_sip_bans_credential", value: bans.credential },
    { name: "sautikit_recordings_short", value: await countShort(tx) },
    { name: "sautikit_suspense_kes", value: (await suspenseMinor(tx)) / 100 },
    { name: "sautikit_mpesa_unreadable", value: await countUnreadableNotices(tx) },
  ];
  for (const { trunk, box, up } of await trunkGateways(tx))
    if (up !== null) samples.push({ name: "sautikit_trunk_up", labels: { trunk, box }, value: up });
  for (const work of Object.keys(backlogs) as BacklogName[]) {
    const { count, oldestAtMs } = await backlogOf(tx, work);
    const age = oldestAtMs === null ? 0 : Math.max(0, (clock.nowMs() - oldestAtMs) / 1000);
    samples.push({ name: "sautikit_backlog", labels: { work }, value: count });
    samples.push({ name: "sautikit_backlog_oldest_seconds", labels: { work }, value: age });
  }
  for (const { name: check, checkedAtMs, findings } of await lastChecks(tx)) {
    if (check === "backup") {
      samples.push({ name: "sautikit_backup_timestamp_seconds", value: checkedAtMs / 1000 });
      continue;
    }
    const labels = { check };
    samples.push({ name: "sautikit_check_timestamp_seconds", labels, value: checkedAtMs / 1000 });
    samples.push({ name: "sautikit_check_findings", labels, value: findings });
  }
  return samples;
}
