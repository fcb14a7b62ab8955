import { cp, mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { eventually } from "../../peers/waiting.ts";
import type { Evidence } from "../auditor/evidence.ts";
import { Disturbance, type Tally } from "./disturbance.ts";
import type { Plan } from "./plan.ts";
import { Surroundings } from "./surroundings.ts";
import { noCounts, Tenant, type Counts } from "./tenant.ts";

export interface BatchResult extends Tally {
  seeds: number[];
  acts: Counts;
  calls: number;
  legs: number;
  answeredLegs: number;
  /** Billed. */
  seconds: number;
  /** Stored, and received at the customers' endpoints, those that came again too. */
  events: number;
  webhooks: number;
  recordings: Record<string, number>;
  /** Payments that Safaricom moved. */
  payments: number;
  /** Months of rent that were paid. */
  months: number;
  mails: number;
  findings: string[];
  wallSeconds: number;
  /** Where the processes' logs and the evidence are; null: nothing was found. */
  kept: string | null;
}

/** So many customers at the same time. */
const atOnceMax = 12;
/** A switch takes seconds to be back, and a payment that no callback told of is looked for only after half a minute. */
const quietMsMax = 120_000;

/**
 * One world for some seeds: each is a customer with a workspace of her own, who does what her plan says while what all
 * plans say is done to the processes. At the end all hang up what is still up, and the auditor has its say.
 */
export async function runBatch(
  plans: readonly Plan[],
  {
    progress = () => undefined,
    look,
  }: { progress?: (line: string) => void; look?: (evidence: Evidence) => void } = {},
): Promise<BatchResult> {
  const startedMs = performance.now();
  const tenants = new Map<number, Tenant>();
  const around = await Surroundings.start((question) => {
    const tenant = tenants.get(Number(question.path.split("/")[2]));
    return tenant?.answerTo(question) ?? { text: "OK" };
  });
  const { world } = around;
  try {
    const disturbance = new Disturbance(around, progress);
    const failures: string[] = [];
    const failed = (error: unknown) =>
      void failures.push(String(error instanceof Error ? error.stack : error));
    const faults: Promise<void>[] = [];
    let living = 0;
    const lives: Promise<void>[] = [];
    for (const plan of plans) {
      await eventually("a place", () => (living < atOnceMax && disturbance.waiting < 3) || undefined, {
        ...{ withinMs: 300_000, everyMs: 20 },
      });
      living++;
      const life = async () => {
        const tenant = await Tenant.open(plan, around);
        tenants.set(plan.seed, tenant);
        // Who is to be killed at a point of what she does is to be told before she does it.
        const ready = Promise.withResolvers<undefined>();
        const isArmed = plan.faults.some((fault) => "at" in fault && fault.at !== null);
        for (const fault of plan.faults) {
          const first = "at" in fault && fault.at !== null ? 0 : fault.atMs;
          const done = sleep(first).then(() =>
            disturbance.run(fault, plan.seed, () => ready.resolve(undefined)),
          );
          faults.push(done.catch(failed));
        }
        if (isArmed) await ready.promise;
        await tenant.act();
        await tenant.end();
      };
      lives.push(
        life()
          .catch(failed)
          .finally(() => {
            living--;
          }),
      );
      await sleep(80);
    }
    await Promise.all(lives);
    await Promise.all(faults);
    // A start that failed is among the failures; without either nothing that is waited for comes to its end.
    if (!world.sautikit.running) await world.startSautikit();
    if (!around.spool.running) await around.startSpool();
    // What began late.
    for (const tenant of tenants.values()) await tenant.end().catch(failed);
    for (const tenant of tenants.values()) failures.push(...tenant.complaints);
    progress("all is done, and the auditor waits for the rest");
    let said = "";
    const waits = (unfinished: readonly string[]) => {
      if (said !== (said = unfinished.slice(0, 2).join("; "))) progress(`${unfinished.length}: ${said}`);
    };
    const audited = await world.auditor.audit({ withinMs: quietMsMax, waits });
    const evidence = await world.auditor.gather();
    look?.(evidence);
    const findings = [...failures, ...audited.map((line) => ofSeed(line, evidence, tenants))];
    const kept = findings.length > 0 ? await keep(world, evidence, findings) : null;
    return {
      ...{ seeds: plans.map(({ seed }) => seed), ...disturbance.tally, acts: sumOf(tenants) },
      ...countsOf(evidence),
      ...{ findings, wallSeconds: Math.round((performance.now() - startedMs) / 100) / 10, kept },
    };
  } finally {
    await around.stop();
  }
}

function sumOf(tenants: ReadonlyMap<number, Tenant>): Counts {
  const sum = noCounts();
  for (const { counts } of tenants.values())
    for (const kind of Object.keys(sum) as (keyof Counts)[]) sum[kind] += counts[kind];
  return sum;
}

/** Whose call or leg a finding names. */
function ofSeed(line: string, { books }: Evidence, tenants: ReadonlyMap<number, Tenant>): string {
  const [id = ""] = /(?:call|leg|rec|num|top|ws)_[0-9a-z]{26}/.exec(line) ?? [];
  const row = [...books.calls, ...books.legs, ...books.recordings, ...books.numbers, ...books.topUps].find(
    (one) => one.id === id,
  );
  const workspace = row?.workspace_id ?? id;
  const tenant = [...tenants.values()].find(({ workspaceId }) => workspaceId === workspace);
  return tenant ? `seed ${tenant.plan.seed}: ${line}` : line;
}

/** What the processes said, and every account: a seed replays the plan, not the machine. */
async function keep(world: Surroundings["world"], evidence: Evidence, findings: string[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "sautikit-faults-"));
  await cp(world.folder, folder, { recursive: true });
  const plainly = (_: string, value: unknown): unknown => {
    if (typeof value === "bigint") return Number(value);
    if (value instanceof Set) return [...(value as Set<unknown>)];
    return value instanceof Map ? Object.fromEntries(value as Map<string, unknown>) : value;
  };
  await writeFile(join(folder, "evidence.json"), JSON.stringify(evidence, plainly, 1));
  await writeFile(join(folder, "findings.txt"), findings.join("\n"));
  return folder;
}

function countsOf({ books, heard, daraja, mailed }: Evidence) {
  const recordings: Record<string, number> = {};
  for (const { status } of books.recordings) recordings[status] = (recordings[status] ?? 0) + 1;
  return {
    calls: books.calls.length,
    legs: books.legs.length,
    answeredLegs: books.cdrs.filter((cdr) => cdr.answered_at_us !== null).length,
    seconds: books.cdrs.reduce((sum, cdr) => sum + Number(cdr.billed_seconds), 0),
    events: books.events.length,
    webhooks: heard.length,
    recordings,
    payments: daraja?.payments.length ?? 0,
    months: books.rentals.length,
    mails: mailed.size,
  };
}
