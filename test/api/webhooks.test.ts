import { strict as assert } from "node:assert";
import type { SigningSecretsRow } from "../../engine/store/deliveries.ts";
import { openSigningSecrets } from "../../engine/webhooks/signing.ts";
import { nairobi, otienosPhone, world, type World } from "./world.ts";

const url = "https://93.184.215.14/events";

describe("webhooks over HTTP", () => {
  let api: World;
  let wanjiru: Awaited<ReturnType<World["workspace"]>>;
  beforeEach(async () => {
    api = await world();
    wanjiru = await api.workspace();
  });
  afterEach(() => api.end());

  const ask = (method: string, path: string, body?: unknown) =>
    api.ask(method, `/v1/webhooks${path}`, { key: wanjiru.key, body });

  it("an endpoint is made, seen, changed, listed and removed; its secret is shown when it is made", async () => {
    const made = await ask("POST", "", { url, events: ["call.completed", "*"] });
    const { signing_secret, ...endpoint } = made.body;
    const seen = await ask("GET", `/${endpoint.id}`);
    const changed = await ask("PATCH", `/${endpoint.id}`, { enabled: false, events: ["*"] });
    const listed = await ask("GET", "");
    const removed = await ask("DELETE", `/${endpoint.id}`);
    const gone = await ask("GET", `/${endpoint.id}`);

    assert.equal(made.status, 201);
    assert.match(signing_secret, /^whsec_[A-Za-z0-9+/]{43}=$/);
    assert.deepEqual(seen.body, endpoint);
    assert.deepEqual([changed.body.enabled, changed.body.events, changed.body.url], [false, ["*"], url]);
    assert.deepEqual(listed.body.data, [changed.body]);
    assert.deepEqual([removed.status, removed.text], [204, ""]);
    assert.equal(gone.body.error.code, "webhooks.not_found");
  });

  it("a rotated secret overlaps with the one before", async () => {
    const { body: made } = await ask("POST", "", { url, events: ["*"] });

    const { status, body } = await ask("POST", `/${made.id}/rotate-secret`);

    assert.equal(status, 200);
    assert.notEqual(body.signing_secret, made.signing_secret);
    const overlapMs = Date.parse(body.previous_secret_until) - api.clock.nowMs();
    assert.ok(overlapMs > 23 * 3_600_000 && overlapMs <= 24 * 3_600_000);
  });

  it("a number's secret is rotated the same way, and a call's events are signed with both", async () => {
    const before = await api.store.read((tx) =>
      tx.get<{ voiceSigningSecret: string }>("SELECT voice_signing_secret FROM numbers WHERE id = ?", [
        wanjiru.numberId!,
      ]),
    );
    const path = `/v1/numbers/${wanjiru.numberId}/rotate-signing-secret`;
    const rotate = () => api.ask("POST", path, { key: wanjiru.key, headers: { "idempotency-key": "once" } });

    const { status, body } = await rotate();
    const again = await rotate();

    assert.equal(status, 200);
    assert.deepEqual([body.id, body.number], [wanjiru.numberId, nairobi]);
    const overlapMs = Date.parse(body.previous_secret_until) - api.clock.nowMs();
    assert.ok(overlapMs > 23 * 3_600_000 && overlapMs <= 24 * 3_600_000);
    assert.deepEqual([again.body.voice_signing_secret, again.body.secret_omitted], [undefined, true]);
    const row = await api.store.read((tx) =>
      tx.get<SigningSecretsRow>(
        `SELECT voice_signing_secret AS signing_secret, previous_signing_secret, previous_signing_secret_until_ms
         FROM numbers WHERE id = ?`,
        [wanjiru.numberId!],
      ),
    );
    const secretsAt = (ms: number) => openSigningSecrets(row!, api.secrets, ms);
    const old = api.secrets.open(before!.voiceSigningSecret);
    assert.deepEqual(secretsAt(api.clock.nowMs()), [body.voice_signing_secret, old]);
    assert.deepEqual(secretsAt(api.clock.nowMs() + 24 * 3_600_000), [body.voice_signing_secret]);
    for (const id of ["num_01j00000000000000000000001", "Nairobi"]) {
      const { body: refusal } = await api.ask("POST", `/v1/numbers/${id}/rotate-signing-secret`, {
        key: wanjiru.key,
      });
      assert.equal(refusal.error.code, "numbers.not_found");
    }
  });

  it("a kind that does not exist, and a URL that leads inside, are refused", async () => {
    const kind = await ask("POST", "", { url, events: ["call.complete"] });
    const inside = await ask("POST", "", { url: "http://192.168.1.1/", events: ["*"] });
    const { body: made } = await ask("POST", "", { url, events: ["*"] });
    const moved = await ask("PATCH", `/${made.id}`, { url: "http://[::1]/" });

    assert.deepEqual([kind.status, kind.body.error.fields[0].field], [400, "events[0]"]);
    assert.deepEqual([inside.status, inside.body.error.code], [422, "webhooks.url_not_allowed"]);
    assert.deepEqual([moved.status, moved.body.error.fields[0].field], [422, "url"]);
  });

  it("are fifty of a workspace, each event being told to all of them at once; one that is removed makes room", async () => {
    const make = () => ask("POST", "", { url, events: ["*"] });
    const made = await Promise.all(Array.from({ length: 60 }, make));
    const refused = made.filter(({ status }) => status !== 201);

    assert.equal(made.length - refused.length, 50);
    assert.deepEqual([...new Set(refused.map(({ body }) => body.error.code))], ["webhooks.too_many"]);
    assert.equal(refused[0]?.status, 409);
    const there = made.find(({ status }) => status === 201);
    assert.equal((await ask("DELETE", `/${there?.body.id}`)).status, 204);
    assert.equal((await make()).status, 201);
  });

  it("deliveries are listed, looked at and replayed", async () => {
    const { body: made } = await ask("POST", "", { url, events: ["*"] });
    const { body: sent, status } = await ask("POST", `/${made.id}/test`);

    const listed = await ask("GET", "/deliveries?status=pending&kind=webhook.test");
    const none = await ask("GET", "/deliveries?call_id=nonsense");
    const seen = await ask("GET", `/deliveries/${sent.delivery_id}`);
    const replayed = await ask("POST", `/deliveries/${sent.delivery_id}/replay`);

    assert.equal(status, 202);
    assert.equal(listed.body.data[0].id, sent.delivery_id);
    assert.deepEqual(none.body.data, []);
    const { attempts, ...delivery } = seen.body;
    assert.deepEqual(attempts, []);
    assert.deepEqual(delivery, listed.body.data[0]);
    assert.equal(delivery.event_id, sent.event_id);
    assert.deepEqual([replayed.status, replayed.body.status], [202, "pending"]);
  });

  it("a call's events can be found by the call", async () => {
    await ask("POST", "", { url, events: ["call.failed"] });
    const call = { from: nairobi, to: otienosPhone, events_url: url };
    const { body } = await api.ask("POST", "/v1/calls", { key: wanjiru.key, body: call });

    const { body: found } = await ask("GET", `/deliveries?call_id=${body.id}`);

    assert.ok(Array.isArray(found.data));
    for (const delivery of found.data) assert.equal(delivery.call_id, body.id);
  });
});
