import assert from "node:assert/strict";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import { eventually } from "../peers/waiting.ts";
import { nairobi, TestWorld } from "../world/world.ts";

const wanjiru = "+254700000001";
const hangsUpAfter3s = "+254700000103";

/** As a version that is newer than this one would leave it, which knows an action `hologram`, and a command. */
describeOnSwitch("what a newer version stored", function () {
  this.timeout(60_000);
  let world: TestWorld;
  before(async () => {
    world = await TestWorld.start();
  });
  after(() => world.end());

  async function place(to: string, actions: object[]): Promise<string> {
    const id = await world.customer.place({ from: nairobi, to, actions, events_url: world.inbox.url });
    await world.customer.until(id, "its action", ({ events }) =>
      events.some(({ kind }) => kind === "action.started"),
    );
    return id;
  }
  const documentIs = (id: string, document: object) =>
    world.byHand(`UPDATE calls SET document = '${JSON.stringify(document)}' WHERE id = '${id}'`);
  const inTheMiddle = { actions: [{ hologram: {} }], position: 0, step: 1, state: { beams: 3 } };

  it("is an action that comes next: the caller hears an apology, and the call ends", async () => {
    const id = await place(wanjiru, [{ wait: { seconds: 4 } }, { hangup: {} }]);
    const [row] = await world.byHand(`SELECT document FROM calls WHERE id = '${id}'`);
    const document = JSON.parse(String(row?.["document"])) as { actions: object[] };
    await documentIs(id, { ...document, actions: [document.actions[0], { hologram: {} }] });

    const call = await world.customer.ended(id);

    const invalid = call.events.find(({ kind }) => kind === "document.invalid");
    assert.deepEqual(
      { path: invalid?.payload["path"], code: invalid?.payload["code"] },
      { path: "actions[1]", code: "unknown" },
    );
    assert.ok(call.events.some(({ kind }) => kind === "say.finished"));
    assert.equal(call.status, "completed");
  });

  it("is an action that runs: the call stays up, is charged at its end, and can be told something else", async () => {
    const ended = await place(hangsUpAfter3s, [{ wait: { seconds: 60 } }]);
    await documentIs(ended, inTheMiddle);
    const steered = await place(wanjiru, [{ wait: { seconds: 60 } }]);
    await documentIs(steered, inTheMiddle);

    const { status } = await world.customer.ask("POST", `/v1/calls/${steered}/actions`, {
      body: { actions: [{ play: { url: world.inbox.promptUrl } }] },
    });

    assert.equal(status, 202);
    const call = await world.customer.ended(steered);
    assert.ok(call.events.some(({ kind }) => kind === "play.finished"));
    assert.ok((await world.customer.ended(ended)).duration_seconds >= 3);
  });

  it("is a command: it is left out, which the log says, and what stands behind it is done", async () => {
    const id = await place(wanjiru, [{ wait: { seconds: 60 } }]);
    const [leg] = await world.byHand(`SELECT id FROM legs WHERE call_id = '${id}'`);
    const commands = JSON.stringify([{ kind: "beam", leg: leg?.["id"] }]);
    await world.byHand(
      `INSERT INTO intents (id, call_id, position, commands, at_most_once, created_at_ms)
       VALUES ('int_00000000000000000000000001', '${id}', 1000, '${commands}', 0, ${Date.now()})`,
    );

    await world.customer.hangUp(id);

    assert.equal((await world.customer.ended(id)).status, "completed");
    await eventually(
      "a line of the log",
      () => /knows no command \\"beam\\"/.test(world.sautikit.output()) || undefined,
    );
  });

  it("leaves the books in order", async () => {
    await world.audit();
    await world.verifyLedger();
  });
});
