import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile, symlink, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { once } from "node:events";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import type { Demo } from "../../cli/demo-workspace.ts";
import type { CarrierCallView } from "../peers/carrier-process.ts";
import { startProcess } from "../peers/child.ts";
import { freePort } from "../peers/free-ports.ts";
import { eventually } from "../peers/waiting.ts";
import type { Customer } from "../world/customer.ts";
import { startEmbedded, type Embedded } from "../world/embedded.ts";

const root = join(import.meta.dirname, "../..");
const run = promisify(execFile);

/** What stands on the pages is saved, typed and run as it stands, but for the two addresses. */
describe("the pages about streams", function () {
  this.timeout(60_000);
  let on: Embedded;
  let folder: string;
  let demo: Demo;
  let customer: Customer;
  before(async () => {
    on = await startEmbedded();
    ({ folder, demo, customer } = on);
    await symlink(join(root, "node_modules"), join(folder, "node_modules"));
  });
  after(() => on.end());

  /** The page's bot, in the shell that the page begins; then its call, to its end. */
  async function tryOut(page: string) {
    const port = await freePort();
    const text = (await readFile(join(root, "docs", page), "utf8"))
      .replaceAll("http://127.0.0.1:8080", demo.base_url)
      .replaceAll("127.0.0.1:3000", `127.0.0.1:${port}`)
      .replaceAll("port: 3000", `port: ${port}`);
    const blocks = (language: string) =>
      [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].flatMap(([, of, code = ""]) =>
        of === language ? [code] : [],
      );
    const [, name = ""] = /save this as `([\w.]+)`/.exec(text) ?? [];
    const [[bot = ""], [begin = "", call = ""]] = [blocks("js"), blocks("sh")];
    await writeFile(join(folder, name), bot);
    const env = {
      ...(process.env as Record<string, string>),
      PATH: `${dirname(process.execPath)}:${process.env["PATH"] ?? ""}`,
    };
    const script = `cd '${folder}'\n${begin.replace(/^node /m, "exec node ")}`;
    const child = startProcess("bash", ["-ec", script], { env, outputFile: join(folder, `${name}.log`) });
    try {
      await eventually("the bot", async () => {
        if (!child.running) throw new Error(child.output());
        const socket = connect({ host: "127.0.0.1", port });
        await once(socket, "connect");
        socket.destroy();
        return true;
      });
      const exported = begin.replace(/^node .*$/m, "");
      const { stdout } = await run("bash", ["-c", `${exported}\n${call}`], { cwd: folder, env });
      const { id } = JSON.parse(stdout) as { id: string };
      const ended = await customer.ended(id, 40_000);
      return { ended, output: child.output(), port };
    } finally {
      await child.stop();
    }
  }
  const carrierCall = async (number: string) => {
    const { calls } = (await (await fetch(`${demo.carrier_status}/calls`)).json()) as {
      calls: CarrierCallView[];
    };
    return calls.find((call) => call.number === number);
  };
  const endOf = (call: Awaited<ReturnType<Customer["ended"]>>) =>
    call.events.find(({ kind }) => kind === "call.stream_ended")?.payload;

  it("have an echo that is about thirty lines, refuses strangers, and works", async () => {
    const { ended, output } = await tryOut("actions/stream.md");
    assert.match(output, new RegExp(`begins ${ended.id} \\{ order: '47' \\}`));
    assert.equal(endOf(ended)?.["reason"], "bot_closed");
    assert.ok(Number(endOf(ended)?.["media_received"]) > 80);
    assert.ok(ended.events.some(({ kind }) => kind === "say.finished"));
    const heard = (await carrierCall("+254700000012"))!.heard;
    assert.ok(
      heard.some(({ hz }) => hz === 440),
      JSON.stringify(heard),
    );
    const page = await readFile(join(root, "docs/actions/stream.md"), "utf8");
    const lines = /```js\n([\s\S]*?)```/.exec(page)?.[1]?.trim().split("\n").length;
    assert.ok(lines! <= 36, `${lines} lines`);
  });

  it("have a bot that hears where its caller stops, answers, and falls silent when it is interrupted", async () => {
    const { ended, output } = await tryOut("recipes/ai-bot.md");
    const lines = output.trim().split("\n");
    assert.match(lines[0]!, new RegExp(`^talks in ${ended.id}$`));
    const [heard, interrupted] = ["heard", "is interrupted in answer-"].map((begin) =>
      lines.filter((line) => line.startsWith(begin)),
    );
    assert.deepEqual(interrupted, ["is interrupted in answer-1", "is interrupted in answer-2"]);
    assert.equal(heard!.length, 2);
    assert.match(heard![1]!, /^heard (0\.9|1\.0|1\.1) seconds, says: You spoke for/);
    assert.equal(endOf(ended)?.["reason"], "bot_closed");
    assert.ok(ended.events.some(({ kind }) => kind === "say.finished"));
    const tones = (await carrierCall("+254700000008"))!.heard;
    assert.ok(
      tones.some(({ hz }) => hz !== null && Math.abs(hz - 700) < 5),
      JSON.stringify(tones),
    );
  });

  it("refuse an echo to whoever has no signature of ours", async () => {
    const page = await readFile(join(root, "docs/actions/stream.md"), "utf8");
    const port = await freePort();
    const bot = /```js\n([\s\S]*?)```/.exec(page)![1]!.replaceAll("3000", String(port));
    await writeFile(join(folder, "strict.mjs"), bot);
    const env = {
      ...(process.env as Record<string, string>),
      VOICE_SIGNING_SECRET: demo.voice_signing_secret,
    };
    const options = { env, outputFile: join(folder, "strict.log") };
    const child = startProcess(process.execPath, [join(folder, "strict.mjs")], options);
    const upgrade = {
      ...{ Connection: "Upgrade", Upgrade: "websocket", "Sec-WebSocket-Version": "13" },
      ...{ "Sec-WebSocket-Key": "MTIzNDU2Nzg5MDEyMzQ1Ng==" },
      "X-Sautikit-Signature": `t=${Math.floor(Date.now() / 1000)},v1=${"0".repeat(64)}`,
    };
    const answer = await eventually("an answer", async () => {
      const socket = connect({ host: "127.0.0.1", port });
      await once(socket, "connect");
      const head = Object.entries(upgrade).map(([name, value]) => `${name}: ${value}\r\n`);
      socket.write(`GET /media HTTP/1.1\r\nHost: bot\r\n${head.join("")}\r\n`);
      const [bytes] = (await once(socket, "data")) as [Buffer];
      socket.destroy();
      return bytes.toString();
    });
    await child.stop();
    assert.match(answer, /^HTTP\/1.1 401 /);
  });
});
