import { strict as assert } from "node:assert";
import { Erasures } from "../../engine/privacy/erasures.ts";
import { scopes } from "../../engine/workspaces/scopes.ts";
import type { Store } from "../../engine/store/store.ts";
import { verifyLedger } from "../../engine/wallet/verify.ts";
import { addDestination } from "../../engine/sip/destinations.ts";
import { objectKey } from "../../recordings/object-key.ts";
import { nairobi, otienosPhone, quiet } from "../api/world.ts";
import { databaseKind } from "../store/test-database.ts";
import { everyRow, finishedCall, keepSip, privacyWorld, type PrivacyWorld } from "./world.ts";

const achieng = "+254733000001";

describe(`the erasure of a person, on ${databaseKind}`, () => {
  let api: PrivacyWorld;
  let wanjiru: Awaited<ReturnType<PrivacyWorld["workspace"]>>;
  beforeEach(async () => {
    api = await privacyWorld();
    wanjiru = await api.workspace({ key: { scopes } });
  });
  afterEach(() => api.end());

  const call = (to = otienosPhone, recorded = true) =>
    finishedCall(api, wanjiru, { from: nairobi, to, recorded });
  const request = (number = otienosPhone) =>
    api.ask("POST", "/v1/privacy/erasures", { key: wanjiru.key, body: { phone_e164: number } });
  const receipt = async (id: string) =>
    (await api.ask("GET", `/v1/privacy/erasures/${id}`, { key: wanjiru.key })).body;
  const counted = () =>
    api.store.read((tx) =>
      tx.get<object>(
        `SELECT (SELECT COUNT(*) FROM calls) AS calls, (SELECT COUNT(*) FROM legs) AS legs, (SELECT COUNT(*) FROM cdrs) AS cdrs,
           (SELECT COUNT(*) FROM call_events) AS events, (SELECT COUNT(*) FROM ledger_entries) AS entries,
           (SELECT SUM(cost_minor) FROM cdrs) AS cost, (SELECT COUNT(*) FROM recordings) AS recordings`,
      ),
    );
  const ledgerHolds = async () => {
    const findings = await api.store.read(verifyLedger);
    assert.deepEqual(
      findings.filter(({ ok }) => !ok),
      [],
    );
  };
  const again = (parts: Partial<ConstructorParameters<typeof Erasures>[0]> = {}) =>
    new Erasures({ ...api, recordingKey: objectKey, log: quiet, ...parts });

  it("leaves the number nowhere, in no table, and every row that is counted", async () => {
    await call();
    await call(otienosPhone, false);
    await call(achieng);
    // Where another's label, a mail, a prompt and the audit log name him.
    await api.store.write(async (tx) => {
      await tx.run("UPDATE calls SET metadata = ? WHERE to_e164 = ?", [
        JSON.stringify({ husband: otienosPhone }),
        achieng,
      ]);
      await api.mailQueue.send(tx, {
        key: "k",
        workspaceId: wanjiru.id,
        to: ["w@example.co.ke"],
        subject: "x",
        text: `Call ${otienosPhone}`,
      });
      await tx.run("UPDATE audit_entries SET after = ? WHERE workspace_id = ?", [
        JSON.stringify({ to: otienosPhone }),
        wanjiru.id,
      ]);
    });
    // In the SIP of his calls, and in that of Achieng's, who was called in his place.
    await api.store.write((tx) =>
      tx.run("UPDATE legs SET sip_call_id = ?", [`1-${otienosPhone.slice(1)}@ims`]),
    );
    // And where he is somebody at another's SIP server, who may be dialled there.
    const uri = `sip:${otienosPhone}@pbx.example`;
    await api.store.write(async (tx) => {
      for (const table of ["legs", "cdrs"])
        await tx.run(`UPDATE ${table} SET to_e164 = ? WHERE to_e164 = ?`, [uri, achieng]);
      for (const user of [otienosPhone, otienosPhone.slice(1)])
        await addDestination(tx, api, wanjiru.id, {
          ...{ host: "pbx.example", port: null, transport: null, sipUser: user, label: `For ${user}` },
        });
    });
    await keepSip(api, `Diversion: <sip:${otienosPhone}@carrier>`);
    // And where a call to him was refused.
    await api.ask("PATCH", "/v1/workspace", { key: wanjiru.key, body: { refused_prefixes: ["+25471"] } });
    const refused = { key: wanjiru.key, body: { from: nairobi, to: otienosPhone } };
    assert.equal((await api.ask("POST", "/v1/calls", refused)).status, 422);
    assert.ok((await everyRow(api)).get("refusals")?.includes(otienosPhone));
    await api.ask("POST", "/v1/privacy/exports", { key: wanjiru.key, body: { phone_e164: otienosPhone } });
    await api.exports.run();
    const before = await counted();

    const asked = await request();
    assert.deepEqual([asked.status, asked.body.status], [202, "running"]);
    await api.erasures.run();

    const { status, erased, pseudonym } = await receipt(asked.body.id);
    assert.equal(status, "complete");
    assert.match(pseudonym, /^erased:[0-9a-f]{24}$/);
    assert.deepEqual(
      { calls: erased.calls, legs: erased.legs, cdrs: erased.cdrs, recordings: erased.recordings },
      { calls: 2, legs: 2, cdrs: 2, recordings: 1 },
    );
    assert.deepEqual([erased.ledger_descriptions, erased.sip_messages], [2, 2]);
    for (const [table, rows] of await everyRow(api))
      assert.ok(!rows.includes(otienosPhone.slice(1)), `${table} still has it`);
    assert.deepEqual(await counted(), before);
    await ledgerHolds();
    const { data } = (await api.ask("GET", "/v1/calls", { key: wanjiru.key })).body;
    assert.deepEqual(data.map(({ to }: { to: string }) => to).sort(), [achieng, pseudonym, pseudonym].sort());
    const { data: moves } = (await api.ask("GET", "/v1/wallet/transactions", { key: wanjiru.key })).body;
    assert.equal(
      moves.filter(
        ({ description, amount_minor: minor }: { description: string; amount_minor: number }) =>
          description.includes(pseudonym) && minor === -235,
      ).length,
      2,
    );
  });

  it("shows the call without anything that was said of it, and sends nothing of it any more", async () => {
    const { callId } = await call();
    const { id } = (await request()).body;
    await api.erasures.run();
    assert.equal((await receipt(id)).status, "complete");
    const { body } = await api.ask("GET", `/v1/calls/${callId}`, { key: wanjiru.key });
    assert.deepEqual(
      [body.call.metadata, body.call.client_request_id, body.call.duration_seconds, body.call.cost_minor],
      [null, null, 47, 235],
    );
    assert.ok(
      body.call.events.every(
        ({ payload }: { payload: object }) => JSON.stringify(payload) === '{"erased":true}',
      ),
    );
    const { data } = (await api.ask("GET", `/v1/webhooks/deliveries?call_id=${callId}`, { key: wanjiru.key }))
      .body;
    assert.ok(data.length > 0 && data.every(({ status }: { status: string }) => status === "dead_letter"));
    const replayed = await api.ask("POST", `/v1/webhooks/deliveries/${data[0].id}/replay`, {
      key: wanjiru.key,
    });
    assert.deepEqual([replayed.status, replayed.body.error.code], [409, "webhooks.delivery_erased"]);
  });

  it("deletes his recordings, and is complete only once the storage is seen to be without them", async () => {
    const { recordingId, objectKey: key, callId } = await call();
    const { objectKey: others } = await call(achieng);
    const { id } = (await request()).body;
    // A storage that says that it deletes, and does not.
    api.troubled.delete = () => Promise.resolve();
    await assert.rejects(api.erasures.run(), /still holds/);
    assert.equal((await receipt(id)).status, "running");
    delete api.troubled.delete;
    await api.erasures.run();

    assert.equal((await receipt(id)).status, "complete");
    assert.equal(await api.storage.head(key!), null);
    assert.ok(await api.storage.head(others!));
    const row = await api.store.read((tx) =>
      tx.get<Record<string, unknown>>("SELECT * FROM recordings WHERE id = ?", [recordingId]),
    );
    assert.deepEqual([row!["status"], row!["deleteReason"]], ["deleted", "erasure"]);
    assert.ok(row!["objectRemovedAtMs"]);
    const gone = await api.ask("GET", `/v1/calls/${callId}/recording`, { key: wanjiru.key });
    assert.equal(gone.body.error.code, "calls.recording_expired");
  });

  it("is refused while a call with him is under way, and done once it is over", async () => {
    await api.ask("POST", "/v1/calls", { key: wanjiru.key, body: { from: nairobi, to: otienosPhone } });
    const refused = await request();
    assert.deepEqual([refused.status, refused.body.error.code], [409, "privacy.call_is_live"]);
    await api.store.write(async (tx) => {
      await tx.run("UPDATE calls SET ended_at_us = 1, status = 'failed'");
      await tx.run("UPDATE legs SET ended_at_us = 1, status = 'failed'");
    });
    assert.equal((await request()).status, 202);
  });

  it("waits for a recording that is not closed yet", async () => {
    const { recordingId } = await call();
    const setTo = (status: string) =>
      api.store.write((tx) => tx.run("UPDATE recordings SET status = ? WHERE id = ?", [status, recordingId]));
    await setTo("stopping");
    const { id } = (await request()).body;
    await api.erasures.run();
    assert.deepEqual([(await receipt(id)).status, (await receipt(id)).erased.calls], ["running", 0]);
    await setTo("ready");
    await api.erasures.run();
    assert.deepEqual([(await receipt(id)).status, (await receipt(id)).erased.calls], ["complete", 1]);
  });

  it("twice does nothing new, at once or afterwards", async () => {
    await call();
    const [first, same] = [await request(), await request()];
    assert.equal(same.body.id, first.body.id);
    await Promise.all([api.erasures.run(), again().run(), again().run()]);
    assert.equal((await receipt(first.body.id)).erased.calls, 1);
    const before = await everyRow(api);
    const later = (await request()).body;
    await api.erasures.run();
    const { status, erased } = await receipt(later.id);
    assert.equal(status, "complete");
    assert.ok(
      Object.values(erased).every((count) => count === 0),
      JSON.stringify(erased),
    );
    const after = await everyRow(api);
    for (const table of [
      "calls",
      "legs",
      "cdrs",
      "call_events",
      "recordings",
      "deliveries",
      "ledger_transactions",
    ])
      assert.equal(after.get(table), before.get(table), table);
  });

  it("that dies after any of its steps is gone on with, and counts everything once", async () => {
    for (let index = 0; index < 8; index++) await call();
    const { id } = (await request()).body;
    let deaths = 0;
    for (; ; deaths++) {
      let left = deaths;
      const dying: Store = {
        ...api.store,
        read: (work) => api.store.read(work),
        write: (work) => (left-- > 0 ? api.store.write(work) : Promise.reject(new Error("killed"))),
      };
      const run = again({ store: dying }).run();
      if (
        await run.then(
          () => true,
          () => false,
        )
      )
        break;
      await ledgerHolds();
    }
    assert.ok(deaths > 5, `died ${deaths} times`);
    const { status, erased } = await receipt(id);
    assert.equal(status, "complete");
    assert.deepEqual(
      [erased.calls, erased.legs, erased.recordings, erased.ledger_descriptions],
      [8, 8, 8, 8],
    );
    for (const [table, rows] of await everyRow(api)) assert.ok(!rows.includes(otienosPhone.slice(1)), table);
  });

  it("touches no other workspace, where the same person is another pseudonym", async () => {
    const njeri = await api.workspace({ name: "Njeri", number: "+254200000002", key: { scopes } });
    await call();
    const theirs = await finishedCall(api, njeri, { from: "+254200000002", to: otienosPhone });
    const mine = (await request()).body;
    await api.erasures.run();

    const { body } = await api.ask("GET", `/v1/calls/${theirs.callId}`, { key: njeri.key });
    assert.deepEqual([body.call.to, body.call.client_request_id], [otienosPhone, `order of ${otienosPhone}`]);
    assert.ok(await api.storage.head(theirs.objectKey!));
    assert.equal((await api.ask("GET", `/v1/privacy/erasures/${mine.id}`, { key: njeri.key })).status, 404);
    assert.deepEqual((await api.ask("GET", "/v1/privacy/erasures", { key: njeri.key })).body.data, []);
    const other = await api.ask("POST", "/v1/privacy/erasures", {
      key: njeri.key,
      body: { phone_e164: otienosPhone },
    });
    assert.notEqual(other.body.pseudonym, mine.pseudonym);
  });

  it("of somebody who paid leaves their money, and their number nowhere", async () => {
    const payer = "+254733000044";
    const amina = await api.workspace({ name: "Amina", number: "+254200000444" });
    const asked = { provider: "mpesa", amount_minor: 10_000, currency: "KES", phone_e164: payer };
    const { body: topUp } = await api.ask("POST", "/v1/topups", { key: amina.key, body: asked });
    const nowMs = api.clock.nowMs();
    await api.store.write(async (tx) => {
      await tx.run(
        `INSERT INTO mpesa_notices (id, kind, callback_key, body, received_at_ms)
         SELECT 'pay_1', 'stk', callback_key, ?, ? FROM topups WHERE id = ?`,
        [JSON.stringify({ PhoneNumber: Number(payer.slice(1)) }), nowMs, topUp.id],
      );
    });
    const owners = await api.key(amina.id, { scopes });
    const answer = await api.ask("POST", "/v1/privacy/erasures", {
      key: owners,
      body: { phone_e164: payer },
    });
    assert.equal(answer.status, 202, answer.text);
    await api.erasures.run();
    const waiting = await api.ask("GET", `/v1/privacy/erasures/${answer.body.id}`, { key: owners });
    assert.equal(waiting.body.status, "running", "the prompt may be open on the phone");
    await api.store.write((tx) =>
      tx.run("UPDATE topups SET state = 'unknown', open_phone = NULL WHERE id = ?", [topUp.id]),
    );
    await api.erasures.run();
    const done = await api.ask("GET", `/v1/privacy/erasures/${answer.body.id}`, { key: owners });
    assert.equal(done.body.status, "complete");
    const seen = await api.ask("GET", `/v1/topups/${topUp.id}`, { key: amina.key });
    assert.deepEqual([seen.body.amount_minor, seen.body.phone_e164], [10_000, answer.body.pseudonym]);
    const kept = await api.store.read(async (tx) =>
      JSON.stringify([await tx.all("SELECT * FROM topups"), await tx.all("SELECT * FROM mpesa_notices")]),
    );
    assert.ok(!kept.includes(payer.slice(1)), kept);
  });

  it("leaves others' numbers, and what is JSON stays JSON", async () => {
    const metadata = {
      wife: Number(otienosPhone.slice(1)),
      longer: `${otienosPhone}5`,
      link: `https://shop.example/?who=%20${otienosPhone.slice(1)}&n=1${otienosPhone.slice(1)}`,
    };
    const placed = await api.ask("POST", "/v1/calls", {
      key: wanjiru.key,
      body: { from: nairobi, to: achieng, metadata },
    });
    const { body } = await request();
    await api.store.write((tx) =>
      tx.run("UPDATE calls SET ended_at_us = 1, status = 'completed' WHERE id = ?", [placed.body.id]),
    );
    await api.erasures.run();
    const { call } = (await api.ask("GET", `/v1/calls/${placed.body.id}`, { key: wanjiru.key })).body;
    assert.deepEqual(call.metadata, {
      wife: body.pseudonym,
      longer: metadata.longer,
      link: `https://shop.example/?who=%20${body.pseudonym}&n=1${otienosPhone.slice(1)}`,
    });
    for (const { payload } of await api.store.read((tx) =>
      tx.all<{ payload: string }>("SELECT payload FROM call_events"),
    ))
      JSON.parse(payload);
  });

  it("is of a whole number, not of its beginning", async () => {
    const answer = await request("+2547123");
    assert.deepEqual([answer.status, answer.body.error.fields[0].code], [400, "e164"]);
  });

  it("of the workspace's own number is refused", async () => {
    assert.equal((await request(nairobi)).body.error.code, "privacy.own_number");
  });

  it("knows every column that is named like a phone number's", async () => {
    const columns = await api.store.read((tx) =>
      databaseKind === "postgres"
        ? tx.all<{ place: string }>(
            "SELECT table_name || '.' || column_name AS place FROM information_schema.columns WHERE table_schema = 'public'",
          )
        : tx.all<{ place: string }>(
            "SELECT m.name || '.' || p.name AS place FROM sqlite_master m JOIN pragma_table_info(m.name) p WHERE m.type = 'table'",
          ),
    );
    const phones = columns.map(({ place }) => place).filter((place) => /e164|phone|msisdn/i.test(place));
    // Who adds one says here, and in engine/store/privacy-erasures.ts, what an erasure does with it.
    assert.deepEqual(phones.sort(), [
      ...[
        "calls.from_e164",
        "calls.to_e164",
        "cdrs.from_e164",
        "cdrs.to_e164",
        "legs.from_e164",
        "legs.to_e164",
      ],
      // Who paid.
      "mpesa_payments.phone",
      // The house's, and the workspace's own.
      ...["number_inventory.e164", "numbers.e164", "numbers.held_e164", "ports.e164"],
      // Until it is done, or gone.
      ...["privacy_erasures.e164", "privacy_exports.e164"],
      // Whom a call to was refused.
      ...["refusals.from_e164", "refusals.to_e164"],
      // Who was asked to pay.
      ...["topups.open_phone", "topups.phone_e164"],
      // An operator's call over a trunk, no workspace's: gone once the command has read what came of it.
      ...["trunk_tests.from_e164", "trunk_tests.to_e164"],
    ]);
  });
});
