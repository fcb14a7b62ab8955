import { strict as assert } from "node:assert";
import { scopes } from "../../engine/workspaces/scopes.ts";
import { nairobi, otienosPhone } from "../api/world.ts";
import { databaseKind } from "../store/test-database.ts";
import { audio, finishedCall, privacyWorld, unzipped, type PrivacyWorld } from "./world.ts";

const dayMs = 86_400_000;

describe(`the export of a person's data, on ${databaseKind}`, () => {
  let api: PrivacyWorld;
  let wanjiru: Awaited<ReturnType<PrivacyWorld["workspace"]>>;
  let call: Awaited<ReturnType<typeof finishedCall>>;
  before(async () => {
    api = await privacyWorld();
    wanjiru = await api.workspace({ key: { scopes } });
    call = await finishedCall(api, wanjiru, { from: nairobi, to: otienosPhone });
    await finishedCall(api, wanjiru, { from: nairobi, to: "+254733000001" });
  });
  after(() => api.end());

  const key = () => wanjiru.key;
  const request = async (number = otienosPhone) =>
    api.ask("POST", "/v1/privacy/exports", { key: key(), body: { phone_e164: number } });
  const look = (id: string) => api.ask("GET", `/v1/privacy/exports/${id}`, { key: key() });

  it("is a ZIP with their calls, events and recordings, and the audio; of nobody else's", async () => {
    const asked = await request();
    assert.deepEqual([asked.status, asked.body.status], [202, "pending"]);
    assert.ok(!asked.text.includes(otienosPhone.slice(1)), "the number is in no answer");
    assert.equal((await look(asked.body.id)).body.download_url, null);

    await api.exports.run();

    const { body } = await look(asked.body.id);
    assert.deepEqual([body.status, body.calls, body.recordings], ["ready", 1, 1]);
    const response = await fetch(body.download_url);
    assert.equal(response.headers.get("content-type"), "application/zip");
    const files = unzipped(Buffer.from(await response.arrayBuffer()));
    assert.deepEqual([...files.keys()].sort(), [
      "README.txt",
      `audio/${call.recordingId!}.wav`,
      "calls.json",
      "events.json",
      "recordings.json",
    ]);
    const json = (name: string) => JSON.parse(files.get(name)!.toString());
    assert.deepEqual(
      json("calls.json").map(({ id, to }: { id: string; to: string }) => [id, to]),
      [[call.callId, otienosPhone]],
    );
    assert.ok(json("events.json").some(({ kind }: { kind: string }) => kind === "call.completed"));
    assert.equal(json("recordings.json")[0].file, `audio/${call.recordingId!}.wav`);
    assert.deepEqual(files.get(`audio/${call.recordingId!}.wav`), Buffer.from(audio));
  });

  it("has a link of an hour, each in the audit log and in the access log of its recordings", async () => {
    const { id } = (await request()).body;
    await api.exports.run();
    const log = () => api.ask("GET", `/v1/recordings/${call.recordingId!}/accesses`, { key: key() });
    const before = (await log()).body.data.length as number;
    const { body, headers } = await look(id);
    const seconds = (Date.parse(body.link_expires_at) - api.clock.nowMs()) / 1000;
    assert.ok(seconds > 3590 && seconds <= 3600, `${seconds}`);
    const accesses = (await log()).body.data;
    assert.equal(accesses.length, before + 1);
    assert.deepEqual(
      [accesses[0].kind, accesses[0].actor, accesses[0].request_id],
      ["export", { kind: "key", id: wanjiru.keyId }, headers.get("x-request-id")],
    );
    assert.equal((await api.auditOf(headers.get("x-request-id")!))[0]!.action, "linkExport");
  });

  it("is gone after seven days, and the storage is seen to hold it no more", async () => {
    const { id } = (await request()).body;
    await api.exports.run();
    assert.ok(await api.storage.head(`${wanjiru.id}/privacy/${id}.zip`));
    api.clock.offsetMs += 7 * dayMs - 1000;
    await api.exports.run();
    assert.equal((await look(id)).body.status, "ready");
    api.clock.offsetMs += 2000;
    assert.equal((await look(id)).body.download_url, null, "no link from that moment on");
    await api.exports.run();
    const { body } = await look(id);
    assert.equal(body.status, "expired");
    assert.ok(body.removed_at);
    assert.equal(await api.storage.head(`${wanjiru.id}/privacy/${id}.zip`), null);
    const row = await api.store.read((tx) =>
      tx.get<{ e164: unknown }>("SELECT e164 FROM privacy_exports WHERE id = ?", [id]),
    );
    assert.equal(row!.e164, null, "with it the number is forgotten");
    api.clock.offsetMs = 0;
  });

  it("of somebody who was never called is made all the same, and says so", async () => {
    const { id } = (await request("+254733999999")).body;
    await api.exports.run();
    const { body } = await look(id);
    assert.deepEqual([body.status, body.calls, body.events, body.recordings], ["ready", 0, 0, 0]);
    const files = unzipped(Buffer.from(await (await fetch(body.download_url)).arrayBuffer()));
    assert.deepEqual(JSON.parse(files.get("calls.json")!.toString()), []);
  });

  it("waits where the storage is away, and is made once it is back", async () => {
    const { id } = (await request()).body;
    api.troubled.putFile = () => Promise.reject(new Error("away"));
    await assert.rejects(api.exports.run(), /away/);
    assert.equal((await look(id)).body.status, "pending");
    delete api.troubled.putFile;
    await api.exports.run();
    assert.equal((await look(id)).body.status, "ready");
  });

  it("of the workspace's own number is refused, as is a number that is none", async () => {
    assert.equal((await request(nairobi)).body.error.code, "privacy.own_number");
    assert.equal((await request("0712345678")).body.error.fields[0].code, "e164");
  });

  it("is not there for another workspace, nor for a key that may not read calls", async () => {
    const { id } = (await request()).body;
    const njeri = await api.workspace({ name: "Njeri", number: "+254200000002", key: { scopes } });
    const another = await api.ask("GET", `/v1/privacy/exports/${id}`, { key: njeri.key });
    assert.equal(another.status, 404);
    assert.deepEqual((await api.ask("GET", "/v1/privacy/exports", { key: njeri.key })).body.data, []);
    const narrow = await api.key(wanjiru.id, { scopes: ["recordings.read"] });
    assert.equal((await api.ask("GET", `/v1/privacy/exports/${id}`, { key: narrow })).status, 403);
    const made = await api.ask("POST", "/v1/privacy/exports", {
      key: narrow,
      body: { phone_e164: otienosPhone },
    });
    assert.equal(made.body.error.code, "auth.scope");
  });
});

describe(`the access log of recordings, on ${databaseKind}`, () => {
  let api: PrivacyWorld;
  before(async () => {
    api = await privacyWorld();
  });
  after(() => api.end());

  it("has every link and every listening: who, when, from where", async () => {
    const wanjiru = await api.workspace({ key: { scopes } });
    const person = await api.person("otieno@example.co.ke", { [wanjiru.id]: "member" });
    const { callId, recordingId } = await finishedCall(api, wanjiru, { from: nairobi, to: otienosPhone });
    const asked = [
      await api.ask("GET", `/v1/calls/${callId}/recording`, { headers: person.headers }),
      await api.ask("GET", `/v1/calls/${callId}/recordings`, { key: wanjiru.key }),
      await api.ask("GET", "/v1/recordings", { key: wanjiru.key }),
      await api.ask("GET", `/v1/recordings/${recordingId!}`, { key: wanjiru.key }),
    ];
    assert.deepEqual(
      asked.map(({ status }) => status),
      [302, 200, 200, 200],
    );

    const { body } = await api.ask("GET", `/v1/recordings/${recordingId!}/accesses?limit=3`, {
      key: wanjiru.key,
    });
    const rest = await api.ask("GET", `/v1/recordings/${recordingId!}/accesses?cursor=${body.next_cursor}`, {
      key: wanjiru.key,
    });

    const rows = [...body.data, ...rest.body.data];
    assert.deepEqual(
      rows.map(({ kind, actor, request_id }) => [kind, actor.id, request_id]),
      asked
        .map(({ headers }, index) => [
          index === 0 ? "listen" : "link",
          index === 0 ? person.id : wanjiru.keyId,
          headers.get("x-request-id"),
        ])
        .reverse(),
    );
    assert.ok(rows.every(({ address }) => /127\.0\.0\.1/.test(address as string)));
    const refused = await api.ask("GET", `/v1/recordings/${recordingId!}/accesses`, {
      headers: person.headers,
    });
    assert.equal(refused.body.error.code, "auth.role");
  });

  it("of another workspace's recording is not there", async () => {
    const njeri = await api.workspace({ name: "Njeri", number: "+254200000002", key: { scopes } });
    const kamau = await api.workspace({ name: "Kamau", number: "+254200000003", key: { scopes } });
    const { recordingId } = await finishedCall(api, njeri, { from: "+254200000002", to: otienosPhone });
    const { status } = await api.ask("GET", `/v1/recordings/${recordingId!}/accesses`, { key: kamau.key });
    assert.equal(status, 404);
  });
});
