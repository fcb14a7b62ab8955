import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { eventually } from "../peers/waiting.ts";
import { nairobi, TestWorld } from "./world.ts";

const page = new URL("../fixtures/product-page.txt", import.meta.url);
const run = promisify(execFile);

/** What stands on the page between two of its lines. */
function between(text: string, after: string, from: string, to: string): string {
  const section = text.slice(text.indexOf(`\n${after}\n`));
  const start = section.indexOf(`\n${from}\n`) + from.length + 2;
  assert.ok(start > from.length + 1, `"${from}" is on the page`);
  const end = section.indexOf(`\n${to}\n`, start);
  assert.ok(end > start, `"${to}" follows it`);
  return section.slice(start, end).trim();
}

function missing(command: string, args: readonly string[]): boolean {
  return spawnSync(command, args, { stdio: "ignore" }).status !== 0;
}

describe("the product page's samples", function () {
  this.timeout(30_000);
  let world: TestWorld;
  let text: string;
  before(async () => {
    world = await TestWorld.start();
    // The one thing that is edited: its numbers are those of the test's workspace and of its carrier.
    text = (await readFile(page, "utf8")).replaceAll("https://api.sautikit.com", world.customer.baseUrl);
  });
  after(() => world.end());

  const calling = (from: string, to: string) => between(text, "Code: place a call from Kenya", from, to);
  const env = () => ({ ...process.env, SAUTIKIT_API_KEY: world.customer.key });

  /** Otieno's phone rang, and the call can be ended. */
  async function took(callId: string): Promise<void> {
    const call = await world.customer.until(callId, "its answer", ({ status }) => status === "answered");
    assert.equal(call.legs[0]?.to, "+254712345678");
    await world.customer.hangUp(callId);
    await world.customer.ended(callId);
  }
  const initiated = /^Call (call_[0-9a-z]{26}) initiated, status: initiated\n$/;

  /** In CI every peer is there, or the run is wrong; elsewhere one that is not is a reason to skip, by name. */
  function sample(
    title: string,
    peer: { name: string; missing: () => boolean },
    body: () => Promise<void>,
  ): void {
    const lacks = !process.env["CI"] && peer.missing();
    if (lacks) it.skip(`${title} (skipped: this machine lacks ${peer.name})`, body);
    else it(title, body);
  }
  const curl = { name: "curl", missing: () => missing("curl", ["--version"]) };
  // Debian's packages are for Debian's Python, which need not be the first one on the path.
  const python = ["python3", "/usr/bin/python3"].find((command) => !missing(command, ["-c", "import httpx"]));
  const httpx = { name: "Python's httpx", missing: () => python === undefined };

  sample("in curl places a call, and answers what the page shows", curl, async () => {
    const { stdout } = await run("sh", ["-c", calling("curl", "Response:")], { env: env() });
    const answer = JSON.parse(stdout) as Record<string, unknown>;
    const shown = JSON.parse(calling("Response:", "Node.js")) as Record<string, unknown>;
    for (const field of ["status", "from", "to", "direction"])
      assert.equal(answer[field], shown[field], field);
    assert.match(String(answer["id"]), /^call_[0-9a-z]{26}$/);
    assert.match(String(answer["created_at"]), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    await took(String(answer["id"]));
  });

  it("in Node places a call", async () => {
    const file = join(world.folder, "place-a-call.mjs");
    await writeFile(file, calling("Node.js", "Python"));
    const { stdout } = await run(process.execPath, [file], { env: env() });
    const [, callId] = initiated.exec(stdout) ?? [];
    assert.ok(callId, stdout);
    await took(callId);
  });

  it("in Node says why a call was refused", async () => {
    const file = join(world.folder, "place-a-refused-call.mjs");
    await writeFile(file, calling("Node.js", "Python").replace("+254712345678", "+254999"));
    await assert.rejects(run(process.execPath, [file], { env: env() }), (error: Error & { stderr: string }) =>
      /Call initiation failed: (?!undefined).+/.test(error.stderr),
    );
  });

  sample("in Python places a call", httpx, async () => {
    const file = join(world.folder, "place_a_call.py");
    await writeFile(file, calling("Python", "Handling the voice callback"));
    const { stdout } = await run(python ?? "python3", [file], { env: env() });
    const [, callId] = initiated.exec(stdout) ?? [];
    assert.ok(callId, stdout);
    await took(callId);
  });

  sample("in curl shows the prices as the page does", curl, async () => {
    const command = between(
      text,
      "Pricing",
      "Rates are retrieved from the public pricing endpoint. You can verify current rates at any time:",
      "Response shape:",
    );
    const { stdout } = await run("sh", ["-c", command]);
    const shown = between(
      text,
      "Pricing",
      "Response shape:",
      "Pricing changes are announced at least 30 days in advance via the changelog and email notification to account holders.",
    );
    const dated = (answer: string) =>
      answer.replace(/"updated_at": ?"[^"]+"/, '"updated_at":""').replaceAll(/\s/g, "");
    // As text, for the two decimals.
    assert.equal(dated(stdout), dated(shown));
  });

  it("of a voice callback is told of the call's start, answer and end", async () => {
    const file = join(world.folder, "route.mjs");
    await writeFile(
      file,
      calling("Handling the voice callback", "FAQ").replace(/^[^/]*(?=\/\/ Next\.js)/, ""),
    );
    const { POST } = (await import(file)) as { POST: (request: Request) => Promise<Response> };
    const lines: string[] = [];
    const log = console.log;
    console.log = (line: string) => void lines.push(line);
    const server = createServer((request, response) => {
      void (async () => {
        const chunks: Buffer[] = [];
        for await (const chunk of request) chunks.push(chunk as Buffer);
        const answer = await POST(
          new Request("http://localhost", { method: "POST", body: Buffer.concat(chunks) }),
        );
        response.writeHead(answer.status).end(await answer.text());
      })();
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    try {
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/call-events`;
      const id = await world.customer.place({ from: nairobi, to: "+254700000001", voice_callback_url: url });
      await world.customer.until(id, "a second of talk", ({ duration_seconds }) => duration_seconds >= 1);
      await world.customer.hangUp(id);
      const call = await world.customer.ended(id);
      await eventually("three lines", () => (lines.length >= 3 ? true : undefined));
      assert.deepEqual(lines, [
        ...[`Call ${id} started`, `Call ${id} answered`, `Call ended. Duration: ${call.duration_seconds}s`],
      ]);
    } finally {
      console.log = log;
      server.closeAllConnections();
      server.close();
    }
  });
});
