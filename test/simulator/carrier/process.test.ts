import assert from "node:assert/strict";
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { agent, closeAgents, happens, within } from "../sip/agents.ts";

const entry = new URL("../../../engine/simulator/carrier/process.ts", import.meta.url).href;
const program = `import(${JSON.stringify(entry)}).then(({ runCarrierProcess }) => runCarrierProcess(process.argv.slice(1)))`;

describe("the carrier as a process", function () {
  this.timeout(10_000);
  let child: ChildProcessWithoutNullStreams;
  const start = async (...args: string[]): Promise<{ sip: string; status: string }> => {
    child = spawn(process.execPath, ["-e", program, "--", ...args]);
    const [line] = (await within("the ready line", once(createInterface(child.stdout), "line"))) as [string];
    const ready = JSON.parse(line) as { ready: boolean; sip: string; status: string };
    assert.equal(ready.ready, true);
    return ready;
  };
  afterEach(async () => {
    child.kill("SIGKILL");
    await closeAgents();
  });

  it("ends its calls and exits 0 within a second of SIGTERM", async () => {
    const { sip } = await start("--port", "0");
    const exchange = await agent();
    const port = Number(sip.split(":")[1]);
    const call = exchange.invite({ user: "+254700000001", host: "127.0.0.1", port, fromUser: "wanjiru" });
    await happens(call, "answered");

    const ended = happens(call, "ended", 1000);
    const exited = within("the exit", once(child, "exit"), 1000);
    child.kill("SIGTERM");
    assert.equal((await ended)[0].by, "them");
    assert.deepEqual(await exited, [0, null]);
  });

  it("ends with its parent when it is told to", async () => {
    await start("--exit-with-parent");
    const exited = within("the exit", once(child, "exit"), 1000);
    child.stdin.end();
    assert.deepEqual(await exited, [0, null]);
  });

  it("stays when its stdin ends otherwise", async () => {
    const { status } = await start();
    child.stdin.end();
    assert.equal((await fetch(`${status}/calls`)).status, 200);
    assert.equal(child.exitCode, null);
  });

  it("refuses a port that is none", async () => {
    child = spawn(process.execPath, ["-e", program, "--", "--port", "70000"]);
    const [code] = (await within("the exit", once(child, "exit"))) as [number];
    assert.notEqual(code, 0);
  });
});
