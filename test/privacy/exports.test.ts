import { strict as assert } from "node:assert";
import { mkdir, readdir, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { scopes } from "../../engine/workspaces/scopes.ts";
import { nairobi, otienosPhone } from "../api/world.ts";
import { eventually } from "../peers/waiting.ts";
import { databaseKind } from "../store/test-database.ts";
import { audio, finishedCall, keepSip, privacyWorld, unzipped, type PrivacyWorld } from "./world.ts";

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

  it("is a ZIP with their calls, events, recordings and SIP, and the audio; of nobody else's", async () => {
    // More than are read at once.
    await keepSip(api, "v=0", 201);
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
      "sip-trace.json",
    ]);
    const json = (name: string) => JSON.parse(files.get(name)!.toString());
    assert.deepEqual(
      json("calls.json").map(({ id, to }: { id: string; to: string }) => [id, to]),
      [[call.callId, otienosPhone]],
    );
    assert.ok(json("events.json").some(({ kind }: { kind: string }) => kind === "call.completed"));
    const sip = json("sip-trace.json") as { summary: string; message: string }[];
    assert.deepEqual([...new Set(sip.map(({ summary }) => summary))], [`INVITE sip:${otienosPhone}@carrier`]);
    assert.deepEqual([sip.length, new Set(sip.map(({ message }) => message)).size], [201, 201]);
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

  it("that was asked for while the clock was an hour ahead is made once it is set right", async () => {
    api.clock.offsetMs += 3_600_000;
    const { id } = (await request()).body;
    api.clock.offsetMs = 0;
    await api.exports.run();
    assert.equal((await look(id)).body.status, "ready");
  });

  it("waits where the storage is away, and is made once it is back", async () => {
    const { id } = (await request()).body;
    api.troubled.putFile = () => Promise.reject(new Error("away"));
    await assert.rejects(api.exports.run(), /away/);
    assert.equal((await look(id)).body.status, "pending");
    delete api.troubled.putFile;
    await api.exports.run();
    assert.equal((await look(id)).body.status, "pending", "not at once");
    api.clock.offsetMs += 60_000;
    await api.exports.run();
    assert.equal((await look(id)).body.status, "ready");
    api.clock.offsetMs = 0;
  });

  describe("where it cannot be made", () => {
    const pausesMinutes = [1, 5, 15, 60, 180, 360, 720, 1440];
    afterEach(() => {
      delete api.troubled.putFile;
      delete api.troubled.getFile;
      api.clock.offsetMs = 0;
    });

    it("is tried nine times in two days, then has failed, and who asked is told; the number is forgotten", async () => {
      const person = await api.person("wanjiru@example.co.ke", { [wanjiru.id]: "admin" });
      const { id } = (
        await api.ask("POST", "/v1/privacy/exports", {
          headers: person.headers,
          body: { phone_e164: otienosPhone },
        })
      ).body;
      let tries = 0;
      api.troubled.putFile = (_file, key) => {
        if (key.includes(id as string)) tries++;
        return Promise.reject(new Error("away"));
      };
      for (const minutes of pausesMinutes) {
        await assert.rejects(api.exports.run(), /away/);
        assert.equal((await look(id)).body.status, "pending");
        api.clock.offsetMs += minutes * 60_000 - 1000;
        await api.exports.run();
        api.clock.offsetMs += 1000;
      }
      await assert.rejects(api.exports.run(), /away/);
      await api.exports.run();
      const { body } = await look(id);
      assert.deepEqual(
        [tries, body.status, body.ended_by, body.download_url],
        [pausesMinutes.length + 1, "failed", "not_made", null],
      );
      assert.ok(body.removed_at);
      const told = (await api.mails()).filter(({ recipient }) => recipient === person.email);
      assert.equal(told.length, 1);
      assert.match(told[0]!.body, new RegExp(`${id}[^]*could not be made`));
      const kept = await api.store.read((tx) =>
        tx.get<{ e164: null }>("SELECT e164 FROM privacy_exports WHERE id = ?", [id]),
      );
      assert.equal(kept!.e164, null);
    });

    it("for want of a file that was there, says so, rather than never ends", async () => {
      const { id } = (await request()).body;
      api.troubled.getFile = () => Promise.resolve(true);
      await assert.rejects(api.exports.run(), /ENOENT/);
      assert.equal((await look(id)).body.status, "pending");
    });
  });

  describe("that is too large", () => {
    const person = "+254733000055";

    it("for its recordings, or its calls, has failed at once, and in parts is made", async () => {
      const large = await finishedCall(api, wanjiru, { from: nairobi, to: person });
      await api.store.write((tx) =>
        tx.run("UPDATE recordings SET size_bytes = 4000000001 WHERE id = ?", [large.recordingId]),
      );
      const { id } = (await request(person)).body;
      await api.exports.run();
      assert.deepEqual(
        [(await look(id)).body.status, (await look(id)).body.ended_by],
        ["failed", "too_large"],
      );

      await api.store.write(async (tx) => {
        await tx.run("UPDATE recordings SET status = 'deleted' WHERE id = ?", [large.recordingId]);
        // 10,000 more, of a year ago.
        await tx.run(
          `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
           INSERT INTO calls (id, workspace_id, direction, from_e164, to_e164, status, options, created_at_ms, ended_at_us, updated_at_ms)
           SELECT c.id || '-' || n.i, c.workspace_id, 'outbound', c.from_e164, c.to_e164, 'completed', '{}', 1000, 1, 0
           FROM n JOIN calls c ON c.id = ?`,
          [large.callId],
        );
        await tx.run(
          `INSERT INTO legs (id, call_id, workspace_id, position, kind, direction, from_e164, to_e164, status, box,
             rate_micro_kes_per_minute, max_duration_seconds, cut_after_seconds, created_at_ms, ended_at_us)
           SELECT 'leg-' || id, id, workspace_id, 0, 'pstn', 'outbound', from_e164, to_e164, 'completed', 'box', 0, 1, 1, 0, 1
           FROM calls WHERE id LIKE ?`,
          [`${large.callId}-%`],
        );
      });
      const all = (await request(person)).body;
      const part = await api.ask("POST", "/v1/privacy/exports", {
        key: key(),
        body: { phone_e164: person, from: "2020-01-01T00:00:00Z" },
      });
      assert.equal(part.body.from, "2020-01-01T00:00:00Z");
      await api.exports.run();
      assert.deepEqual([(await look(all.id)).body.ended_by], ["too_large"]);
      const { body } = await look(part.body.id);
      assert.deepEqual([body.status, body.calls], ["ready", 1]);
    }).timeout(120_000);

    it("between two times that are none, or the wrong way round, is refused", async () => {
      const ask = (body: object) =>
        api.ask("POST", "/v1/privacy/exports", { key: key(), body: { phone_e164: person, ...body } });
      const turned = await ask({ from: "2026-01-02T00:00:00Z", to: "2026-01-01T00:00:00Z" });
      assert.deepEqual([turned.status, turned.body.error.fields[0].field], [400, "to"]);
      assert.equal((await ask({ from: "yesterday" })).body.error.fields[0].field, "from");
    });
  });

  it("leaves nothing of a process that was killed while it made one, and what is not ours alone", async () => {
    const folder = api.exportsFolder;
    const old = new Date(Date.now() - 2 * 3_600_000);
    for (const name of ["export-AbC123", "export-fresh1", "export-too-long", "theirs"])
      await mkdir(join(folder, name), { recursive: true });
    await writeFile(join(folder, "export-AbC123", "calls.json"), otienosPhone);
    await writeFile(join(folder, "export-file12"), "x");
    for (const name of ["export-AbC123", "export-too-long", "theirs", "export-file12"])
      await utimes(join(folder, name), old, old);
    await api.exports.run();
    assert.deepEqual((await readdir(folder)).sort(), [
      "export-file12",
      "export-fresh1",
      "export-too-long",
      "theirs",
    ]);
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

describe(`exports that are made in the background, on ${databaseKind}`, () => {
  let api: PrivacyWorld;
  before(async () => {
    api = await privacyWorld();
  });
  after(() => api.end());

  it("of one person that takes long holds up no other workspace's, nor what is asked for meanwhile", async () => {
    const wanjiru = await api.workspace({ key: { scopes } });
    const njeri = await api.workspace({ name: "Njeri", number: "+254200000012", key: { scopes } });
    const request = async (key: string, number: string) => {
      const { body } = await api.ask("POST", "/v1/privacy/exports", { key, body: { phone_e164: number } });
      return body.id as string;
    };
    const mine = [await request(wanjiru.key, otienosPhone), await request(wanjiru.key, "+254733000001")];
    const theirs = await request(njeri.key, otienosPhone);
    let letGo: () => void = () => undefined;
    const stuck = new Promise<void>((resolve) => (letGo = resolve));
    const stored: string[] = [];
    api.troubled.putFile = async (file, key, type) => {
      if (key.includes(mine[0]!)) await stuck;
      stored.push(key);
      return api.storage.putFile(file, key, type);
    };
    api.exports.start();
    const read = async (id: string, key: string) =>
      (await api.ask("GET", `/v1/privacy/exports/${id}`, { key })).body.status as string;
    await eventually("the other workspace's", async () =>
      (await read(theirs, njeri.key)) === "ready" ? true : undefined,
    );
    // Asked for while the first is stuck.
    const later = await request(njeri.key, "+254733000001");
    await eventually("what came later", async () =>
      (await read(later, njeri.key)) === "ready" ? true : undefined,
    );
    assert.deepEqual(
      [await read(mine[0]!, wanjiru.key), await read(mine[1]!, wanjiru.key)],
      ["pending", "pending"],
    );
    letGo();
    await eventually("both", async () =>
      (await read(mine[0]!, wanjiru.key)) === "ready" && (await read(mine[1]!, wanjiru.key)) === "ready"
        ? true
        : undefined,
    );
    await api.exports.stop();
  });
});
