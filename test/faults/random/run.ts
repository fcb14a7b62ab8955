import { cp, mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { startSautikit, type Child } from "../../peers/child.ts";
import { freePort } from "../../peers/free-ports.ts";
import { eventually } from "../../peers/waiting.ts";
import { nairobi, TestWorld } from "../../world/world.ts";
import { faultKinds, type FaultKind, type Plan, type PlannedCall, type PlannedFault } from "./plan.ts";

export interface RunResult {
  calls: number;
  legs: number;
  answeredLegs: number;
  /** Billed. */
  seconds: number;
  kills: Record<FaultKind, number>;
  /** Stored, and received at the customer's endpoint, those that came again too. */
  events: number;
  webhooks: number;
  recordings: Record<string, number>;
  /** Recordings whose event states that they lack more than 100 ms. */
  shortRecordings: number;
  findings: string[];
}

/** Whatever is down, a request is made again until it was answered, for as long as this. */
const answerMsMax = 60_000;
/** A switch takes seconds to be back, and what died with it is given up only then. */
const quietMsMax = 90_000;

/**
 * One run: API and controller in a process, spool and storage in another, a carrier, a switch, and a customer who does
 * what the plan says, while each of the processes is killed as it says. At the end she hangs up what is still up, and
 * the auditor has its say.
 */
export async function runPlan(plan: Plan, progress: (line: string) => void): Promise<RunResult> {
  const s3Port = String(await freePort());
  const world = await TestWorld.start(
    {
      ...{ S3_PORT: s3Port, S3_ENDPOINT: `http://127.0.0.1:${s3Port}` },
      ...{ S3_ACCESS_KEY_ID: "wanjiru", S3_SECRET_ACCESS_KEY: "wanjiru-secret" },
    },
    "api,controller",
  );
  const run = new Run(world, plan, progress);
  try {
    return await run.result();
  } finally {
    await run.stop();
    await world.end();
  }
}

class Run {
  readonly #world: TestWorld;
  readonly #plan: Plan;
  readonly #progress: (line: string) => void;
  readonly #kills = Object.fromEntries(faultKinds.map((kind) => [kind, 0])) as Record<FaultKind, number>;
  readonly #down = new Set<FaultKind>();
  #spool: Child | undefined;

  constructor(world: TestWorld, plan: Plan, progress: (line: string) => void) {
    this.#world = world;
    this.#plan = plan;
    this.#progress = progress;
  }

  async result(): Promise<RunResult> {
    const { calls, faults } = this.#plan;
    await this.#startSpool();
    const startedMs = performance.now();
    const at = (atMs: number) => sleep(Math.max(0, startedMs + atMs - performance.now()));
    const placed = calls.map((call, index) => at(call.atMs).then(() => this.#oneCall(call, index)));
    const killed = faults.map((fault) => at(fault.atMs).then(() => this.#oneFault(fault)));
    const outcomes = await Promise.allSettled([...placed, ...killed]);
    const failed = outcomes.flatMap((one) => (one.status === "rejected" ? [String(one.reason)] : []));
    for (const id of new Set(this.#world.customer.placed)) await this.#hangUp(id);
    const findings = [...failed, ...(await this.#world.auditor.audit({ withinMs: quietMsMax }))];
    if (findings.length > 0) await this.#keep();
    return { ...(await this.#counts()), kills: this.#kills, findings };
  }

  /** What the processes said, and every account: a seed replays the plan, not the machine. */
  async #keep(): Promise<void> {
    const folder = await mkdtemp(join(tmpdir(), "sautikit-faults-"));
    await cp(this.#world.folder, folder, { recursive: true });
    const evidence = await this.#world.auditor.gather();
    const plainly = (_: string, value: unknown): unknown => {
      if (typeof value === "bigint") return Number(value);
      return value instanceof Map ? Object.fromEntries(value as Map<string, unknown>) : value;
    };
    await writeFile(join(folder, "evidence.json"), JSON.stringify(evidence, plainly, 1));
    this.#progress(`The processes' logs and evidence.json are kept in ${folder}`);
  }

  /** Twice is fine. */
  async stop(): Promise<void> {
    await this.#spool?.stop();
  }

  async #oneCall(call: PlannedCall, index: number): Promise<void> {
    const { customer, inbox } = this.#world;
    const actions = (call.body["actions"] ?? []) as unknown[];
    const body = {
      ...{ from: nairobi, to: call.to, events_url: inbox.url, ...call.body },
      ...(call.play ? { actions: [{ play: { url: inbox.promptUrl } }, ...actions] } : {}),
    };
    const headers = { "idempotency-key": `call ${index}` };
    const answer = await this.#answered(`an answer for call ${index}`, "POST", "/v1/calls", {
      body,
      headers,
    });
    if (answer.status !== 201)
      throw new Error(`call ${index} was answered ${answer.status}: ${JSON.stringify(answer.body)}`);
    const id = String(answer.body.id);
    const sinceMs = performance.now();
    for (const { afterMs, state } of call.recordings) {
      await sleep(Math.max(0, sinceMs + afterMs - performance.now()));
      // Refused where the call has ended meanwhile.
      await customer.ask("PATCH", `/v1/calls/${id}/recording`, { body: { state } }).catch(() => undefined);
    }
    await sleep(Math.max(0, sinceMs + call.hangUpAfterMs - performance.now()));
    await this.#hangUp(id);
  }

  async #hangUp(id: string): Promise<void> {
    const { status } = await this.#answered(`the hang-up of ${id}`, "POST", `/v1/calls/${id}/hangup`);
    if (status !== 200) throw new Error(`the hang-up of ${id} was answered ${status}`);
  }

  /** A careful client: the same request until there is an answer other than that it should try again. */
  #answered(
    what: string,
    method: string,
    path: string,
    request: Parameters<TestWorld["customer"]["ask"]>[2] = {},
  ) {
    return eventually(
      what,
      async () => {
        const answer = await this.#world.customer.ask(method, path, request);
        return answer.status >= 500 || answer.status === 409 || answer.status === 429 ? undefined : answer;
      },
      { withinMs: answerMsMax, everyMs: 100 },
    );
  }

  async #oneFault({ kind, atMs, downMs }: PlannedFault): Promise<void> {
    const world = this.#world;
    const when = `${(atMs / 1000).toFixed(1)} s`;
    // On a machine so slow that nothing would ever be up.
    if (this.#down.has(kind)) return this.#progress(`${when}: the ${kind} is not back yet, and spared`);
    this.#progress(`${when}: kill -9 of the ${kind}, ${downMs} ms`);
    this.#kills[kind]++;
    this.#down.add(kind);
    const { kill, start } = {
      controller: { kill: () => world.killSautikit(), start: () => world.startSautikit() },
      carrier: { kill: () => world.killCarrier(), start: () => world.startCarrier() },
      switch: { kill: () => world.killSwitch(), start: () => world.startSwitch() },
      spool: { kill: () => this.#killSpool(), start: () => this.#startSpool() },
    }[kind];
    await kill();
    await sleep(downMs);
    await start();
    this.#down.delete(kind);
  }

  async #killSpool(): Promise<void> {
    this.#spool?.kill("SIGKILL");
    await this.#spool?.exited();
  }

  /** It serves the objects as well, so that the storage dies with it. */
  async #startSpool(): Promise<void> {
    const { folder, env } = this.#world;
    const own = { ...env, S3_ENDPOINT: "" };
    this.#spool = (await startSautikit(["start", "--role", "spool"], { folder, env: own })).child;
  }

  async #counts(): Promise<Omit<RunResult, "kills" | "findings">> {
    const { books, heard } = await this.#world.auditor.gather();
    const gaps = books.events.map(
      ({ payload }) => (JSON.parse(payload) as { gap_ms?: number | null }).gap_ms ?? 0,
    );
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
      shortRecordings: gaps.filter((gapMs) => gapMs > 100).length,
    };
  }
}

/** The run's end in a few lines. */
export function summaryOf({ seed, trafficMs }: Plan, result: RunResult): string {
  const listed = (counts: Record<string, number>) =>
    Object.entries(counts)
      .map(([name, count]) => `${count} ${name}`)
      .join(", ");
  return [
    `SAUTIKIT_SEED=${seed}, ${trafficMs / 60_000} minutes of traffic`,
    `${result.calls} calls, ${result.legs} legs, ${result.answeredLegs} of them answered, ${result.seconds} s billed`,
    `killed: ${listed(result.kills)}`,
    `${result.events} events, ${result.webhooks} webhooks received`,
    `recordings: ${listed(result.recordings) || "none"}; ${result.shortRecordings} of them state a gap`,
    `${result.findings.length} findings`,
    ...result.findings.map((finding) => `  ${finding}`),
  ].join("\n");
}
