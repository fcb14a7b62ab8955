import { strict as assert } from "node:assert";
import { createHash } from "node:crypto";
import { scopes } from "../../engine/workspaces/scopes.ts";
import { saveRegistration, sipLogins } from "../../engine/store/sip-credentials.ts";
import { databaseKind } from "../store/test-database.ts";
import { world, type World } from "./world.ts";

describe(`SIP credentials over the API, on ${databaseKind}`, () => {
  let api: World;
  let wanjiru: Awaited<ReturnType<World["workspace"]>>;
  let changed = 0;
  before(async () => {
    api = await world({
      sip: {
        access: () => ({
          realm: "sautikit.example",
          domain: "sip.sautikit.example",
          ports: { udp: 5060, tls: 5061, wss: 7443 },
        }),
        changed: () => (changed += 1),
      },
    });
    wanjiru = await api.workspace({ key: { scopes } });
  });
  after(() => api.end());

  const path = (more = "") => `/v1/numbers/${wanjiru.numberId!}/sip-credentials${more}`;
  const ask = (method: string, at: string, body?: unknown, headers = {}) =>
    api.ask(method, at, { key: wanjiru.key, headers, ...(body === undefined ? {} : { body }) });
  const made = async (label = "Reception") => (await ask("POST", path(), { label })).body;
  const letIn = async () => api.store.read((tx) => sipLogins(tx, api.clock.nowMs()));
  const ha1 = (username: string, password: string) =>
    createHash("md5").update(`${username}:sautikit.example:${password}`).digest("hex");

  it("one is made with a password that is shown once and kept nowhere", async () => {
    const before = changed;
    const { status, body } = await ask("POST", path(), { label: "Reception" });
    assert.equal(status, 201);
    const { id, username, password, created_at: createdAt, ...rest } = body;
    assert.deepEqual(rest, {
      ...{ label: "Reception", max_concurrent_calls: 10, max_calls_per_second: 5, banned_until: null },
      realm: "sautikit.example",
      domain: "sip.sautikit.example",
      sip_uri: `sip:${username}@sip.sautikit.example`,
      transports: ["udp", "tls", "wss"],
      ports: { udp: 5060, tls: 5061, wss: 7443 },
      ws_url: "wss://sip.sautikit.example:7443",
      ...{ rotated_at: null, previous_username: null, previous_until: null },
    });
    assert.match(username, /^[a-z2-9]{12}$/);
    assert.match(password, /^[A-Za-z2-9]{24}$/);
    assert.match(createdAt, /Z$/);
    assert.equal(changed, before + 1);
    assert.deepEqual(
      (await letIn()).find((login) => login.username === username),
      { username, ha1: ha1(username, password), spared: null },
    );
    const shown = await ask("GET", path(`/${id}`));
    const listed = await ask("GET", path());
    for (const answer of [shown, listed]) assert.ok(!JSON.stringify(answer.body).includes(password));
    assert.deepEqual(shown.body, { id, username, created_at: createdAt, ...rest });
    assert.ok(
      !JSON.stringify(await api.store.read((tx) => tx.all("SELECT * FROM audit_entries"))).includes(password),
    );
  });

  it("a repeat with the same Idempotency-Key makes no second one and shows no password", async () => {
    const headers = { "idempotency-key": "desk-phone" };
    const first = await ask("POST", path(), { label: "Desk" }, headers);
    const again = await ask("POST", path(), { label: "Desk" }, headers);
    assert.equal(again.body.id, first.body.id);
    assert.deepEqual([again.body.password, again.body.secret_omitted], [undefined, true]);
  });

  it("they are listed newest first, in pages", async () => {
    const [older, newer] = [await made("older"), await made("newer")];
    const page = (await ask("GET", path("?limit=1"))).body;
    assert.deepEqual(
      page.data.map((row: { id: string }) => row.id),
      [newer.id],
    );
    const next = (await ask("GET", path(`?limit=1&cursor=${page.next_cursor}`))).body;
    assert.deepEqual(
      next.data.map((row: { id: string }) => row.id),
      [older.id],
    );
  });

  it("a revoked one is let in no more, and is not there any more", async () => {
    const { id, username } = await made();
    assert.equal((await ask("DELETE", path(`/${id}`))).status, 204);
    assert.ok(!(await letIn()).some((login) => login.username === username));
    for (const [method, more] of [
      ["GET", ""],
      ["DELETE", ""],
      ["POST", "/rotate"],
      ["GET", "/registrations"],
    ] as const) {
      const { status, body } = await ask(method, path(`/${id}${more}`), method === "POST" ? {} : undefined);
      assert.deepEqual([status, body.error.code], [404, "sip.not_found"], more);
    }
  });

  it("a rotation gives a new login, and lets the old one in for as long as was said", async () => {
    const { id, username } = await made();
    const { status, body } = await ask("POST", path(`/${id}/rotate`), { overlap_seconds: 60 });
    assert.equal(status, 200);
    assert.notEqual(body.username, username);
    assert.deepEqual([body.id, body.previous_username], [id, username]);
    const usernames = async () => (await letIn()).map((login) => login.username);
    assert.ok((await usernames()).includes(username) && (await usernames()).includes(body.username));
    api.clock.offsetMs += 60_001;
    assert.ok(!(await usernames()).includes(username) && (await usernames()).includes(body.username));
    assert.equal((await ask("GET", path(`/${id}`))).body.previous_username, null);
  });

  it("however often it is rotated, two logins are let in at most", async () => {
    const { id, username } = await made();
    const second = (await ask("POST", path(`/${id}/rotate`), { overlap_seconds: 3600 })).body;
    const third = (await ask("POST", path(`/${id}/rotate`), { overlap_seconds: 3600 })).body;
    const usernames = (await letIn()).map((login) => login.username);
    assert.deepEqual(
      [username, second.username, third.username].map((one) => usernames.includes(one)),
      [false, true, true],
    );
  });

  it("a rotation without an overlap ends the old login at once, and an earlier overlap with it", async () => {
    const { id, username } = await made();
    const second = (await ask("POST", path(`/${id}/rotate`), { overlap_seconds: 3600 })).body;
    const third = (await ask("POST", path(`/${id}/rotate`), {})).body;
    const usernames = (await letIn()).map((login) => login.username);
    assert.deepEqual(
      [username, second.username, third.username].map((one) => usernames.includes(one)),
      [false, false, true],
    );
  });

  it("its label and its limits are changed, what is left out stays, and nothing else is taken", async () => {
    const { id } = (
      await ask("POST", path(), { label: "Switchboard", max_concurrent_calls: 30, max_calls_per_second: 10 })
    ).body;
    const patched = await ask("PATCH", path(`/${id}`), { max_concurrent_calls: 2 });
    assert.equal(patched.status, 200, JSON.stringify(patched.body));
    const { label, max_concurrent_calls: calls, max_calls_per_second: perSecond } = patched.body;
    assert.deepEqual([label, calls, perSecond], ["Switchboard", 2, 10]);
    assert.deepEqual((await ask("GET", path(`/${id}`))).body, patched.body);
    for (const [body, field] of [
      [{ max_concurrent_calls: 0 }, "max_concurrent_calls"],
      [{ max_concurrent_calls: 1_001 }, "max_concurrent_calls"],
      [{ max_calls_per_second: 1.5 }, "max_calls_per_second"],
      [{ label: " " }, "label"],
      [{ username: "otieno" }, "username"],
    ] as const) {
      const answer = await ask("PATCH", path(`/${id}`), body);
      assert.deepEqual(
        [answer.status, answer.body.error.fields[0].field],
        [400, field],
        JSON.stringify(body),
      );
    }
    assert.equal((await ask("DELETE", path(`/${id}`))).status, 204);
    assert.equal((await ask("PATCH", path(`/${id}`), { label: "Gone" })).body.error.code, "sip.not_found");
  });

  it("the devices of a credential are shown, those that have expired are not", async () => {
    const { id, username } = await made();
    const device = {
      ...{ box: "box", username, contactUri: `sip:${username}@192.168.1.20:5060`, contact: null },
      ...{ transport: "udp", address: "196.201.214.5", port: 40_000, userAgent: "Yealink T31P" },
    };
    const nowMs = api.clock.nowMs();
    await api.store.write(async (tx) => {
      await saveRegistration(tx, { ...device, sipCallId: "a", expiresAtMs: nowMs + 60_000 });
      await saveRegistration(tx, { ...device, sipCallId: "b", expiresAtMs: nowMs - 1 });
    });
    const { body } = await ask("GET", path(`/${id}/registrations`));
    assert.equal(body.data.length, 1);
    const [{ expires_at: expiresAt, ...shown }] = body.data;
    assert.deepEqual(shown, {
      ...{ contact: device.contactUri, reachable: false, transport: "udp", address: "196.201.214.5" },
      ...{ port: 40_000, user_agent: "Yealink T31P", username },
    });
    assert.match(expiresAt, /Z$/);
  });

  it("a released number's are let in no more", async () => {
    const akinyi = await api.workspace({ number: "+254200000007", key: { scopes } });
    const { body } = await api.ask("POST", `/v1/numbers/${akinyi.numberId!}/sip-credentials`, {
      ...{ key: akinyi.key, body: { label: "Shop" } },
    });
    await api.ask("DELETE", `/v1/numbers/${akinyi.numberId!}`, { key: akinyi.key });
    assert.ok(!(await letIn()).some((login) => login.username === body.username));
    const again = await api.ask("POST", `/v1/numbers/${akinyi.numberId!}/sip-credentials`, {
      ...{ key: akinyi.key, body: { label: "Shop" } },
    });
    assert.deepEqual([again.status, again.body.error.code], [409, "numbers.released"]);
  });

  it("what is wrong is refused by its field, and what is another's is not there", async () => {
    for (const [body, field] of [
      [{}, "label"],
      [{ label: "" }, "label"],
      [{ label: "a\u0000b" }, "label"],
      [{ label: "x".repeat(101) }, "label"],
      [{ label: "x", password: "mine" }, "password"],
    ] as const) {
      const answer = await ask("POST", path(), body);
      assert.equal(answer.status, 400, JSON.stringify(body));
      assert.equal(answer.body.error.fields[0].field, field);
    }
    const { id } = await made();
    const late = await ask("POST", path(`/${id}/rotate`), { overlap_seconds: -1 });
    assert.equal(late.body.error.fields[0].field, "overlap_seconds");
    const kamau = await api.workspace({ number: "+254200000008", key: { scopes } });
    const theirs = `/v1/numbers/${kamau.numberId!}/sip-credentials/${id}`;
    const answer = await api.ask("GET", theirs, { key: kamau.key });
    assert.deepEqual([answer.status, answer.body.error.code], [404, "sip.not_found"]);
    const foreign = await api.ask("GET", path(), { key: kamau.key });
    assert.deepEqual([foreign.status, foreign.body.error.code], [404, "numbers.not_found"]);
    const weak = await api.key(wanjiru.id, { scopes: ["numbers.read"] });
    assert.equal((await api.ask("POST", path(), { key: weak, body: { label: "x" } })).status, 403);
  });

  it("a number has 50 at most", async () => {
    const otieno = await api.workspace({ number: "+254200000009", key: { scopes } });
    const more = () =>
      api.ask("POST", `/v1/numbers/${otieno.numberId!}/sip-credentials`, {
        ...{ key: otieno.key, body: { label: "phone" } },
      });
    for (let count = 0; count < 50; count++) assert.equal((await more()).status, 201);
    const { status, body } = await more();
    assert.deepEqual([status, body.error.code], [409, "sip.too_many"]);
  });
});
