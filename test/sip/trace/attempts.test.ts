import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { numbers } from "../../contract/world.ts";
import { freePort } from "../../peers/free-ports.ts";
import { startRefusingCarrier, type RefusingCarrier } from "../../peers/refusing-carrier.ts";
import { describeOnSwitch } from "../../peers/switch-under-test.ts";
import { eventually } from "../../peers/waiting.ts";
import { nairobi, TestWorld } from "../../world/world.ts";

interface Traced {
  leg_id: string;
  direction: string;
  method: string;
  summary: string;
  message: string;
}

describeOnSwitch("the SIP of a leg that failed over", function () {
  this.timeout(60_000);
  let folder: string;
  let broken: RefusingCarrier;
  let world: TestWorld;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "sautikit-trunks-"));
    broken = await startRefusingCarrier();
    const file = join(folder, "trunks.yaml");
    const safari = { name: "safari", host: broken.host, port: broken.port, priority: 1 };
    await writeFile(file, JSON.stringify({ trunks: [safari] }));
    const hep = { host: "127.0.0.1", port: await freePort() };
    const env = { SIP_TRACE: "on", HEP_HOST: hep.host, HEP_PORT: String(hep.port), TRUNKS_FILE: file };
    world = await TestWorld.start(env, undefined, { switchOptions: { hep } });
    const { host, port } = world.carrier;
    await writeFile(file, JSON.stringify({ trunks: [safari, { name: "baringo", host, port, priority: 2 }] }));
    await eventually("both trunks", async () => {
      const rows = await world.byHand(
        "SELECT trunk FROM trunk_gateways WHERE loaded_sha256 = written_sha256",
      );
      return rows.length === 2 || undefined;
    });
  });
  after(async () => {
    await world.end();
    broken.close();
    await rm(folder, { recursive: true });
  });

  it("is that of each attempt, in the order of the wire", async () => {
    const id = await world.customer.place({
      ...{ from: nairobi, to: numbers.answers440 },
      actions: [{ wait: { seconds: 1 } }, { hangup: {} }],
    });
    const call = await world.customer.ended(id);
    const [leg] = call.legs;
    assert.deepEqual(
      leg!.attempts.map(({ trunk, sip_status }) => [trunk, sip_status]),
      [
        ["safari", 503],
        ["baringo", 200],
      ],
    );
    const trace = await eventually(
      "both dialogs",
      async () => {
        const { body } = await world.customer.ask("GET", `/v1/calls/${id}/sip-trace?limit=100`);
        const all = body.data as Traced[];
        const is = (method: string, status: string) =>
          all.some((one) => one.method === method && one.summary.startsWith(status));
        return is("INVITE", "503") && is("BYE", "200") ? all : undefined;
      },
      { everyMs: 200, withinMs: 30_000 },
    );
    assert.ok(trace.every(({ leg_id }) => leg_id === leg!.id));
    const steps = trace.map(({ direction, summary }) => `${direction} ${summary.split(" ", 1)[0]!}`);
    const [refused, ok] = [steps.indexOf("received 503"), steps.indexOf("received 200")];
    assert.ok(
      steps.indexOf("sent INVITE") < refused && refused < steps.lastIndexOf("sent INVITE"),
      String(steps),
    );
    assert.ok(steps.lastIndexOf("sent INVITE") < ok, String(steps));
    const dialogs = new Set(trace.map(({ message }) => /^(?:Call-ID|i): *(.*)$/im.exec(message)![1]));
    assert.equal(dialogs.size, 2);
  });
});
