import assert from "node:assert/strict";
import { claimNumber, releaseNumber, type NumberParts } from "../../engine/numbers/claims.ts";
import { readBlock } from "../../engine/numbers/inventory-file.ts";
import { addToInventory } from "../../engine/numbers/inventory.ts";
import { routeNumber } from "../../engine/numbers/numbers.ts";
import { Renewals } from "../../engine/numbers/renewals.ts";
import { aesSecrets } from "../../engine/secrets.ts";
import { isError } from "../../engine/errors.ts";
import { createLedger } from "../../engine/wallet/ledger.ts";
import { createMailQueue } from "../../engine/mail/mail-queue.ts";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import { inboundWorld, type InboundWorld } from "./inbound-world.ts";
import { kindsOf } from "./world.ts";

const talksOn = "+254700000001";

describeOnSwitch("a number's life and its calls", function () {
  this.timeout(60_000);
  let on: InboundWorld;
  let parts: NumberParts;
  before(async () => {
    on = await inboundWorld();
    const { clock, ids, store } = on;
    parts = {
      ...{ clock, ids, secrets: aesSecrets(Buffer.alloc(32, 7), ids), ledger: createLedger({ ids }) },
      outbox: on.changeParts.outbox,
      mails: createMailQueue({ clock, ids, wake: () => undefined }),
    };
    const block = readBlock("+254 20 700 0000-0009");
    assert.ok(typeof block !== "string");
    await store.write((tx) => addToInventory(tx, { clock, ids }, block));
  });
  after(() => on.end());

  const claim = async (number: string) =>
    (
      await on.store.write((tx) =>
        claimNumber(tx, parts, on.home, { number }, { voiceCallbackUrl: on.voice.url() }),
      )
    ).number;
  const place = (e164: string) => on.place({ to: talksOn }, { workspaceId: on.home, e164 });
  const hangUp = async (id: Awaited<ReturnType<typeof place>>) => {
    await on.hangUp(id);
    return on.ended(id);
  };

  it("claimed, places a call and receives one at once", async () => {
    on.voice.answer("call.started", [{ getDigits: { numDigits: 1, timeout: 5 } }]);
    on.voice.answer("call.digits", [{ hangup: {} }]);
    const { e164 } = await claim("+254207000001");
    const [out, caller] = await Promise.all([place(e164), on.callIn({ to: e164, digits: "1" })]);
    const inbound = await on.ended(await caller.taken());
    assert.deepEqual([inbound.status, inbound.local_e164], ["completed", e164]);
    await on.until(out, "its answer", ({ status }) => status === "answered");
    assert.equal((await hangUp(out)).status, "completed");
  });

  it("routed to be recorded, has calls to it recorded from their answer", async () => {
    on.voice.answer("call.started", [{ getDigits: { numDigits: 1, timeout: 5 } }]);
    on.voice.answer("call.digits", [{ wait: { seconds: 1 } }, { hangup: {} }]);
    const { id, e164 } = await claim("+254207000002");
    await on.store.write((tx) => routeNumber(tx, on.home, id, { record: true }));
    const caller = await on.callIn({ to: e164, digits: "1" });
    const call = await on.ended(await caller.taken());
    const kinds = kindsOf(call);
    assert.ok(kinds.indexOf("leg.answered") < kinds.indexOf("recording.started"), kinds.join(", "));
    assert.equal((await on.recordingsOf(call.id)).length, 1);
  });

  it("suspended or released, has its calls go on, and refuses later ones with 480 and 404", async () => {
    on.voice.answer("call.started", [{ getDigits: { numDigits: 1, timeout: 5 } }]);
    on.voice.answer("call.digits", [{ wait: { seconds: 30 } }]);
    const { id, e164 } = await claim("+254207000003");
    const out = await place(e164);
    const caller = await on.callIn({ to: e164, digits: "1" });
    const inbound = await caller.taken();
    for (const call of [out, inbound])
      await on.until(call, "its answer", ({ status }) => status === "answered");

    const refused = async (sipStatus: number) => {
      const later = await on.callIn({ to: e164 });
      assert.equal((await later.caller(({ ended_at }) => ended_at !== null)).status, sipStatus);
      await assert.rejects(place(e164), (error) => isError(error, "calls.caller_id_not_owned"));
      for (const call of [out, inbound]) assert.equal((await on.view(call)).ended_at, null);
    };
    // The month is over, and the wallet empty.
    await on.store.write(async (tx) => {
      await tx.run("UPDATE numbers SET due_at_ms = 1 WHERE id = ?", [id]);
      await tx.run(
        "INSERT INTO prices (name, amount, effective_at_ms) VALUES ('number_monthly', 100000000, ?)",
        [on.clock.nowMs()],
      );
    });
    await new Renewals({ ...parts, store: on.store, log: on.log }).run();
    await refused(480);
    await on.store.write((tx) => releaseNumber(tx, parts, on.home, id, "requested"));
    await refused(404);

    for (const call of [out, inbound]) assert.equal((await hangUp(call)).status, "completed");
  });
});
