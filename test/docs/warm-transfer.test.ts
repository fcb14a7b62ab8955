import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import type { CarrierCallView } from "../peers/carrier-process.ts";
import type { ApiCall, Customer } from "../world/customer.ts";
import { startEmbedded, type Embedded } from "../world/embedded.ts";

const run = promisify(execFile);
const root = join(import.meta.dirname, "../..");
const lacks = (["curl", "bash"] as const).find(
  (command) => spawnSync(command, ["--version"], { stdio: "ignore" }).status !== 0,
);
const suite = lacks !== undefined && !process.env["CI"] ? describe.skip : describe;

/** Each block is run as it stands on the page, but for the port; the test only waits, and looks what came of it. */
suite(`conferences on the pages${lacks === undefined ? "" : ` (skipped: no ${lacks})`}`, function () {
  this.timeout(90_000);
  let on: Embedded;
  let folder: string;
  let customer: Customer;
  let variables: Record<string, string> = {};
  before(async () => {
    on = await startEmbedded();
    ({ folder, customer } = on);
  });
  after(() => on.end());

  async function blocksOf(page: string): Promise<string[]> {
    variables = {};
    const text = (await readFile(join(root, page), "utf8")).replaceAll("http://127.0.0.1:8080", on.baseUrl);
    return [...text.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, code = ""]) => code);
  }
  /** What a block assigned is there for the next one; the first one's functions are. */
  async function sh(first: string, code: string): Promise<string> {
    const kept = join(folder, "variables");
    const path = `${dirname(process.execPath)}:${process.env["PATH"] ?? ""}`;
    const { stdout } = await run("bash", ["-c", `set -ea\n${first}\n${code}\nenv -0 > '${kept}'`], {
      cwd: folder,
      env: { ...(process.env as Record<string, string>), ...variables, PATH: path },
      timeout: 20_000,
    });
    for (const variable of (await readFile(kept, "utf8")).split("\0")) {
      const [, name, value = ""] = /^(CALLER|AGENT|COLLEAGUE|CALLER_LEG)=(.*)$/s.exec(variable) ?? [];
      if (name !== undefined) variables[name] = value;
    }
    return stdout;
  }
  const call = (name: string) => {
    const id = variables[name];
    assert.match(id ?? "", /^call_/, name);
    return id!;
  };
  const times = ({ events }: ApiCall, kind: string) => events.filter((event) => event.kind === kind).length;
  const told = (name: string, kind: string, count = 1) =>
    customer.until(call(name), kind, (seen) => times(seen, kind) >= count);
  /** What the one with that number hears from now on, for so long. */
  async function hears(number: string, ms: number): Promise<(number | null)[]> {
    const heard = async () => {
      const response = await fetch(`${on.demo.carrier_status}/calls`);
      const { calls } = (await response.json()) as { calls: CarrierCallView[] };
      const live = calls.find((one) => one.number === number && one.ended_at === null)!;
      return live.heard.flatMap(({ hz, seconds }) => Array<number | null>(seconds).fill(hz));
    };
    const before = (await heard()).length;
    await sleep(ms);
    // The second in which this began has something of before.
    return (await heard()).slice(before + 1);
  }
  const near = (hz: number | null, wanted: number) => hz !== null && Math.abs(hz - wanted) < 5;
  const [caller, agent] = ["+254700000001", "+254700000002"];
  const goodbye = ({ events }: ApiCall) =>
    events.some(({ kind, payload }) => kind === "say.finished" && /Goodbye/.test(String(payload["text"])));

  it("warm-transfer.md: a caller waits, the agent is told, they are joined, and part with a word", async () => {
    const [first, callerWaits, agentJoins, look, hangUp, ...running] = await blocksOf(
      "docs/recipes/warm-transfer.md",
    );
    assert.equal(running.length, 4);
    await sh(first!, callerWaits!);
    await told("CALLER", "conference.joined");
    assert.ok(
      (await hears(caller, 3_500)).some((hz) => near(hz, 350)),
      "the caller hears music",
    );
    await sh(first!, agentJoins!);
    await told("AGENT", "say.finished");
    await told("CALLER", "conference.started");
    const { members } = JSON.parse(await sh(first!, look!)) as { members: { number: string }[] };
    assert.deepEqual(
      members.map(({ number }) => number),
      [caller, agent],
    );
    assert.ok(
      (await hears(caller, 3_500)).some((hz) => near(hz, 880)),
      "the caller hears the agent",
    );
    assert.ok(
      (await hears(agent, 2_500)).some((hz) => near(hz, 440)),
      "and the agent the caller",
    );
    await sh(first!, hangUp!);
    const over = await customer.ended(call("CALLER"));
    assert.ok(goodbye(over));
    assert.equal(over.legs[0]!.recording_ids.length, 1);

    // In a running talk.
    const [talk, consult, back, end] = running;
    await sh(first!, talk!);
    for (const name of ["CALLER", "AGENT"]) await told(name, "conference.started");
    await sh(first!, consult!);
    await told("CALLER", "conference.held");
    await told("COLLEAGUE", "conference.started");
    const held = await hears(caller, 4_500);
    assert.ok(held.some((hz) => near(hz, 350)) && !held.some((hz) => near(hz, 880)), JSON.stringify(held));
    assert.ok(
      (await hears(agent, 2_500)).some((hz) => near(hz, 440)),
      "the two agents talk",
    );
    await sh(first!, back!);
    await told("CALLER", "conference.unheld");
    await customer.ended(call("AGENT"));
    assert.ok(
      (await hears(caller, 3_500)).some((hz) => near(hz, 440)),
      "the caller hears the colleague",
    );
    assert.equal(times(await customer.call(call("CALLER")), "conference.left"), 0);
    await sh(first!, end!);
    assert.ok(goodbye(await customer.ended(call("CALLER"))));
  });

  it("conference.md: the example does what the page says", async () => {
    const [example] = await blocksOf("docs/actions/conference.md");
    const printed = await sh("", example!);
    const [first, second, room, , , third] = printed
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    assert.equal(room.participants, 2);
    const refused = await customer.ended(third.id);
    assert.ok(
      refused.events.some(
        ({ kind, payload }) => kind === "conference.refused" && payload["reason"] === "locked",
      ),
    );
    assert.equal((await customer.ended(second.id)).status, "completed");
    const over = await customer.ended(first.id);
    assert.equal(times(over, "conference.announced"), 1);
    assert.ok(
      over.events.some(
        ({ kind, payload }) => kind === "say.finished" && payload["text"] === "The conference is over.",
      ),
    );
  });
});
