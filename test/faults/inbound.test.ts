import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { VoiceServer } from "../peers/voice-server.ts";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import { eventually } from "../peers/waiting.ts";
import { nairobi, TestWorld } from "../world/world.ts";

const otieno = "+254700000002";

describeOnSwitch("a controller that is killed while somebody calls in", function () {
  this.timeout(60_000);
  let world: TestWorld;
  let voice: VoiceServer;
  before(async () => {
    world = await TestWorld.start();
    voice = await VoiceServer.open();
    await world.store.write((tx) =>
      tx.run("UPDATE numbers SET voice_callback_url = ?, events_url = ?", [voice.url(), world.inbox.url]),
    );
    voice.answer("call.digits", [{ hangup: {} }]);
  });
  after(async () => {
    await world.end();
    await voice.close();
  });

  let callers = 300_000;
  async function callIn(more: Record<string, unknown> = {}) {
    const { host, port } = world.switch.sip;
    const from = `+254735${callers++}`;
    const sip = await world.carrier.place({ from, to: nairobi, switch: `${host}:${port}`, ...more });
    const ids = () =>
      world.store.read((tx) =>
        tx.all<{ id: string }>("SELECT id FROM calls WHERE direction = 'inbound' AND from_e164 = ?", [from]),
      );
    return {
      ids,
      taken: () => eventually("the call", async () => (await ids())[0]?.id),
      caller: (when: Parameters<typeof world.carrier.placed>[1]) => world.carrier.placed(sip, when),
      hangUp: () => world.carrier.hangUp(sip),
    };
  }

  it("before it took the call in: the next one does, once, and the caller is answered", async () => {
    voice.answer("call.started", [{ getDigits: { numDigits: 1, timeout: 10 } }]);
    await world.killSautikit();
    const { ids, taken, caller } = await callIn({ digits: "5" });
    await sleep(500);
    await world.startSautikit();
    const call = await world.customer.ended(await taken());
    assert.deepEqual([call.status, call.cost_minor, (await ids()).length], ["completed", 0, 1]);
    assert.ok((await caller(({ ended_at }) => ended_at !== null)).answered_at !== null);
    assert.equal((await world.inbox.kind(call.id, "call.started")).length, 1);
  });

  it("while it rings: the caller hears it ring on, and the document goes on", async () => {
    voice.answer("call.started", [{ wait: { seconds: 8 } }, { getDigits: { numDigits: 1, timeout: 10 } }]);
    const { taken, caller } = await callIn({ digits: "6" });
    const id = await taken();
    await world.customer.until(id, "its first action", ({ events }) =>
      events.some(({ kind }) => kind === "action.started"),
    );
    await world.killSautikit();
    await sleep(1_000);
    assert.equal((await caller(({ ringing_at }) => ringing_at !== null)).answered_at, null);
    await world.startSautikit();
    const call = await world.customer.ended(id);
    assert.equal(call.status, "completed");
    assert.ok(call.events.some(({ kind }) => kind === "call.digits"));
  });

  it("after the answer: the two talk on, and each second of the dialled leg is charged", async () => {
    voice.answer("call.started", [{ dial: { number: otieno } }]);
    const { taken, caller, hangUp } = await callIn();
    const id = await taken();
    await world.customer.until(id, "the two joined", ({ events }) =>
      events.some(({ kind }) => kind === "leg.bridged"),
    );
    await world.killSautikit();
    await sleep(2_000);
    await world.startSautikit();
    // Else they might hang up before anybody has looked: it takes longer to start than they have to hear each other.
    await world.customer.until(id, "its legs taken up again", ({ events }) =>
      events.some(({ kind }) => kind === "leg.reconciled"),
    );
    await caller(
      ({ heard }) => heard.reduce((sum, { hz, seconds }) => sum + (hz === 880 ? seconds : 0), 0) >= 4,
    );
    await hangUp();
    const call = await world.customer.ended(id);
    const [first, second] = call.legs;
    assert.deepEqual([call.status, first?.cost_minor, second?.status], ["completed", 0, "completed"]);
    assert.ok(second!.billed_seconds >= 4 && second!.cost_minor === Math.round(second!.billed_seconds * 5));
  });

  it("has told everything, charged nothing twice, and left nothing undone", async () => {
    await world.verifyLedger();
    await eventually("an end of all that was to be done", async () => {
      const open = await world.store.read((tx) =>
        tx.all("SELECT id FROM legs WHERE ended_at_us IS NULL UNION ALL SELECT id FROM intents"),
      );
      return open.length === 0 ? true : undefined;
    });
  });
});
