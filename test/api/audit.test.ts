import { strict as assert } from "node:assert";
import { once } from "node:events";
import { request, type IncomingMessage } from "node:http";
import { scopes } from "../../engine/workspaces/scopes.ts";
import { wav } from "../media/wav.ts";
import { eventually } from "../peers/waiting.ts";
import { finishedCall, privacyWorld, type PrivacyWorld } from "../privacy/world.ts";
import { databaseKind } from "../store/test-database.ts";
import { changingRoutes, notAudited } from "./audited.ts";
import { nairobi, otienosPhone } from "./world.ts";

describe(`the audit log, on ${databaseKind}`, () => {
  let api: PrivacyWorld;
  let wanjiru: Awaited<ReturnType<PrivacyWorld["workspace"]>>;
  let owner: Awaited<ReturnType<PrivacyWorld["person"]>>;
  let key: string;
  let invited = 0;
  let asks = 0;
  const free = () => `+2542071000${String(asks++).padStart(2, "0")}`;
  before(async () => {
    api = await privacyWorld();
    await api.stock("+254 20 710 0000-0099");
    wanjiru = await api.workspace();
    key = await api.key(wanjiru.id, { scopes });
    owner = await api.person("wanjiru@example.co.ke", { [wanjiru.id]: "owner" });
  });
  after(() => api.end());

  type Answer = Awaited<ReturnType<PrivacyWorld["ask"]>>;
  const byKey = (method: string, path: string, body?: unknown, headers = {}) =>
    api.ask(method, path, { key, headers, ...(body === undefined ? {} : { body }) });
  const byPerson = (method: string, path: string, body?: unknown) =>
    api.ask(method, path, { headers: owner.headers, ...(body === undefined ? {} : { body }) });
  const webhook = async () =>
    (await byKey("POST", "/v1/webhooks", { url: "https://shop.example/hook", events: ["*"] })).body;
  const sipCredential = () =>
    byKey("POST", `/v1/numbers/${wanjiru.numberId!}/sip-credentials`, { label: "Reception" });
  const tokenOf = async (path: string) =>
    new RegExp(`${path}\\?token=(\\S{43})`).exec((await api.mails()).at(-1)!.body)![1];
  const mailed = async () => {
    await api.ask("POST", "/v1/sign-in-links", { body: { email: owner.email } });
    return { body: { token: await tokenOf("/sign-in") } };
  };

  /** How each route that changes something is asked to, so that it does. A new one goes here, or is named in audited.ts. */
  const asked: Record<string, () => Promise<Answer>> = {
    createWebhook: () => byKey("POST", "/v1/webhooks", { url: "https://shop.example/hook", events: ["*"] }),
    patchWebhook: async () => byKey("PATCH", `/v1/webhooks/${(await webhook()).id}`, { enabled: false }),
    deleteWebhook: async () => byKey("DELETE", `/v1/webhooks/${(await webhook()).id}`),
    rotateWebhookSecret: async () => byKey("POST", `/v1/webhooks/${(await webhook()).id}/rotate-secret`),
    testWebhook: async () => byKey("POST", `/v1/webhooks/${(await webhook()).id}/test`),
    async replayDelivery() {
      const { body } = await byKey("POST", `/v1/webhooks/${(await webhook()).id}/test`);
      return byKey("POST", `/v1/webhooks/deliveries/${body.delivery_id}/replay`);
    },
    createSipCredential: () => sipCredential(),
    createSipDestination: () => byKey("POST", "/v1/sip-destinations", { host: "93.184.215.14", user: "a" }),
    async deleteSipDestination() {
      const { body } = await byKey("POST", "/v1/sip-destinations", { host: "93.184.215.14", user: "b" });
      return byKey("DELETE", `/v1/sip-destinations/${body.id}`);
    },
    async deleteSipCredential() {
      const { body } = await sipCredential();
      return byKey("DELETE", `/v1/numbers/${wanjiru.numberId!}/sip-credentials/${body.id}`);
    },
    async changeSipCredential() {
      const { body } = await sipCredential();
      const path = `/v1/numbers/${wanjiru.numberId!}/sip-credentials/${body.id}`;
      return byKey("PATCH", path, { max_concurrent_calls: 3 });
    },
    async rotateSipCredential() {
      const { body } = await sipCredential();
      return byKey("POST", `/v1/numbers/${wanjiru.numberId!}/sip-credentials/${body.id}/rotate`, {});
    },
    uploadMedia: () =>
      byKey("POST", "/v1/media?name=hello", wav({ seconds: 0.1 }), { "content-type": "audio/wav" }),
    async deleteMedia() {
      const { body } = await asked["uploadMedia"]!();
      return byKey("DELETE", `/v1/media/${body.id}`);
    },
    async deleteRecording() {
      const { recordingId } = await finishedCall(
        api,
        { ...wanjiru, key },
        { from: nairobi, to: otienosPhone },
      );
      return byKey("DELETE", `/v1/recordings/${recordingId!}`);
    },
    patchWallet: () => byKey("PATCH", "/v1/wallet", { on_zero_balance: "hangup" }),
    rotateNumberSecret: () => byKey("POST", `/v1/numbers/${wanjiru.numberId!}/rotate-signing-secret`),
    patchWorkspace: () => byKey("PATCH", "/v1/workspace", { allowed_countries: ["KE", "UG"] }),
    createSession: async () => api.ask("POST", "/v1/sessions", await mailed()),
    async deleteSession() {
      const { headers } = await api.ask("POST", "/v1/sessions", await mailed());
      const cookie = headers.get("set-cookie")!.split(";")[0]!;
      return api.ask("DELETE", "/v1/session", { headers: { ...owner.headers, cookie } });
    },
    async revokeSession() {
      const { body } = await api.ask("POST", "/v1/sessions", await mailed());
      return byPerson("DELETE", `/v1/sessions/${body.session.id}`);
    },
    createWorkspace: () => byPerson("POST", "/v1/workspaces", { name: "Duka" }),
    async patchMember() {
      const kamau = await api.person("kamau@example.co.ke", { [wanjiru.id]: "member" });
      return byPerson("PATCH", `/v1/members/${kamau.id}`, { role: "admin" });
    },
    async deleteMember() {
      const achieng = await api.person("achieng@example.co.ke", { [wanjiru.id]: "member" });
      return byKey("DELETE", `/v1/members/${achieng.id}`);
    },
    createInvitation: () =>
      byPerson("POST", "/v1/invitations", { email: `njeri${invited++}@example.co.ke`, role: "member" }),
    async deleteInvitation() {
      const { body } = await asked["createInvitation"]!();
      return byKey("DELETE", `/v1/invitations/${body.id}`);
    },
    async acceptInvitation() {
      await asked["createInvitation"]!();
      return api.ask("POST", "/v1/invitations/accept", { body: { token: await tokenOf("/invitation") } });
    },
    createApiKey: () => byPerson("POST", "/v1/api-keys", { name: "shop" }),
    async deleteApiKey() {
      const { body } = await asked["createApiKey"]!();
      return byKey("DELETE", `/v1/api-keys/${body.id}`);
    },
    createTopUp: () =>
      byKey("POST", "/v1/topups", {
        ...{ provider: "mpesa", amount_minor: 10_000, currency: "KES" },
        phone_e164: `+2547330001${String(asks++).padStart(2, "0")}`,
      }),
    createNumber: () => byKey("POST", "/v1/numbers", { number: free() }),
    async claimNumber() {
      const number = free();
      const { body } = await byKey("GET", `/v1/numbers/available?country=ke&contains=${number.slice(4)}`);
      return byKey("POST", `/v1/numbers/${body.data[0].id}/claim`, {});
    },
    async routeNumber() {
      const { body } = await asked["createNumber"]!();
      return byKey("PATCH", `/v1/numbers/${body.id}/routing`, { record: true });
    },
    async releaseNumber() {
      const { body } = await asked["createNumber"]!();
      return byKey("DELETE", `/v1/numbers/${body.id}`);
    },
    createPort: () =>
      byKey("POST", "/v1/ports", {
        ...{ number: `+2542072000${String(asks++).padStart(2, "0")}`, current_carrier: "Telkom Kenya" },
        account_reference: "TKL-0042",
      }),
    async uploadPortDocument() {
      const { body } = await asked["createPort"]!();
      const pdf = Buffer.from("%PDF-1.7\n%%EOF\n");
      return byKey("POST", `/v1/ports/${body.id}/document`, pdf, { "content-type": "application/pdf" });
    },
    async cancelPort() {
      const { body } = await asked["createPort"]!();
      return byKey("POST", `/v1/ports/${body.id}/cancel`);
    },
    createExport: () => byKey("POST", "/v1/privacy/exports", { phone_e164: "+254733000009" }),
    createErasure: () => byKey("POST", "/v1/privacy/erasures", { phone_e164: "+254733000009" }),
  };

  for (const { operationId } of changingRoutes) {
    if (notAudited[operationId] !== undefined) continue;
    it(`has an entry of ${operationId}: who, what, and from where`, async () => {
      const ask = asked[operationId];
      assert.ok(ask, "say in this test how it is asked, or in audited.ts why it leaves no entry");
      const answer = await ask();
      assert.ok(answer.status < 300, `${answer.status} ${answer.text}`);
      const requestId = answer.headers.get("x-request-id")!;
      // A workspace that was just made has a log of its own.
      const log = async () =>
        operationId === "createWorkspace"
          ? api.ask("GET", "/v1/audit", {
              headers: { ...owner.headers, "x-sautikit-workspace": answer.body.id as string },
            })
          : byKey("GET", "/v1/audit?limit=100");
      const { data } = (await log()).body;
      const own = data.filter((one: { request_id: string }) => one.request_id === requestId);
      assert.equal(own.length, 1);
      const [entry] = own;
      assert.ok(
        entry.action === operationId || (operationId === "createSession" && entry.action === "signIn"),
      );
      assert.match(entry.actor.id, /^(key|usr)_/);
      assert.match(entry.address, /127\.0\.0\.1/);
      assert.ok(entry.subject && (entry.before ?? entry.after));
      if (operationId === "createWorkspace")
        assert.deepEqual(
          [entry.actor.id, entry.subject, entry.before, entry.after.name, entry.after.owner],
          [owner.id, answer.body.id, null, "Duka", owner.email],
        );
    });
  }

  it("names no exception that is not a route, and none that has an entry", () => {
    const all = changingRoutes.map(({ operationId }) => operationId);
    for (const name of [...Object.keys(notAudited), ...Object.keys(asked)])
      assert.ok(all.includes(name), name);
    for (const name of Object.keys(asked)) assert.equal(notAudited[name], undefined, name);
  });

  it("never has a secret in it", async () => {
    const secrets: string[] = [];
    for (const name of [
      "createWebhook",
      "rotateWebhookSecret",
      "rotateNumberSecret",
      "createApiKey",
      "createInvitation",
    ]) {
      const { body } = await asked[name]!();
      for (const field of ["key", "signing_secret", "voice_signing_secret"])
        if (body[field]) secrets.push(body[field]);
    }
    secrets.push((await tokenOf("/invitation"))!, key, owner.headers.cookie.split("=")[1]!);
    assert.ok(secrets.length >= 7);
    const kept = await api.store.read(async (tx) =>
      JSON.stringify(await tx.all("SELECT * FROM audit_entries")),
    );
    for (const secret of secrets) assert.ok(!kept.includes(secret), secret.slice(0, 12));
    assert.doesNotMatch(kept, /whsec_|tskey_live_\w|"v1\.[\w-]+\.[\w-]+\./);
  });

  it("tells what it was before and what it is now", async () => {
    const { id } = await webhook();
    await byKey("PATCH", `/v1/webhooks/${id}`, { url: "https://shop.example/other" });
    const { data } = (await byKey("GET", `/v1/audit?subject=${id}&action=patchWebhook`)).body;
    assert.deepEqual(
      [data[0].before.url, data[0].after.url],
      ["https://shop.example/hook", "https://shop.example/other"],
    );
  });

  it("tells what it was just before the change, and not when whoever changed it was let in", async () => {
    const njeri = await api.workspace({ name: "Njeri", number: "+254200000077", key: { scopes } });
    const body = JSON.stringify({ name: "Third" });
    const slow = request(`${api.url}/v1/workspace`, {
      method: "PATCH",
      headers: {
        authorization: `Bearer ${njeri.key}`,
        "content-type": "application/json",
        "content-length": String(body.length),
      },
    });
    const answered = once(slow, "response") as Promise<[IncomingMessage]>;
    slow.write(body.slice(0, 5));
    // The key is looked up with the head of the request, which writes down its use.
    await eventually("that it was let in", async () => {
      const row = await api.store.read((tx) =>
        tx.get<{ lastUsedAtMs: number | null }>("SELECT last_used_at_ms FROM api_keys WHERE id = ?", [
          njeri.keyId,
        ]),
      );
      return row!.lastUsedAtMs ?? undefined;
    });
    await api.ask("PATCH", "/v1/workspace", { key: njeri.key, body: { name: "Second" } });
    slow.end(body.slice(5));
    const [response] = await answered;
    response.resume();
    assert.equal(response.statusCode, 200);

    const { data } = (await api.ask("GET", "/v1/audit?action=patchWorkspace", { key: njeri.key })).body;
    assert.deepEqual(
      data.map(({ before, after }: Record<string, { name: string }>) => [before!.name, after!.name]),
      [
        ["Second", "Third"],
        ["Njeri", "Second"],
      ],
    );
  });

  it("is found by action, subject, actor and time, and by them together", async () => {
    const { data } = (await byKey("GET", "/v1/audit?limit=100")).body;
    type Entry = {
      action: string;
      subject: string;
      actor: { kind: string; id: string };
      created_at: string;
      id: string;
    };
    const rows: [string, (one: Entry) => boolean][] = [
      ["action=createWebhook", (one) => one.action === "createWebhook"],
      [`actor=${owner.id}`, (one) => one.actor.id === owner.id],
      ["actor=user", (one) => one.actor.kind === "user"],
      ["actor=operator", () => false],
      [
        `actor=${owner.id}&action=createApiKey`,
        (one) => one.actor.id === owner.id && one.action === "createApiKey",
      ],
      ["from=2020-01-01T00:00:00Z", () => true],
      ["to=2020-01-01T00:00:00Z", () => false],
    ];
    for (const [query, fits] of rows) {
      const found = (await byKey("GET", `/v1/audit?limit=100&${query}`)).body.data;
      const expected = data.filter(fits).map(({ id }: Entry) => id);
      // The questions themselves change nothing, so that both lists are of the same log.
      assert.deepEqual(
        found.map(({ id }: Entry) => id),
        expected,
        query,
      );
    }
  });

  it("has nothing of what failed, and nothing twice of what was repeated", async () => {
    const count = async () =>
      (await byKey("GET", "/v1/audit?limit=100&action=createInvitation")).body.data.length as number;
    const before = await count();
    await byKey("POST", "/v1/invitations", { email: owner.email, role: "member" });
    assert.equal(await count(), before);
    const body = { email: "once@example.co.ke", role: "member" };
    await byKey("POST", "/v1/invitations", body, { "idempotency-key": "once" });
    await byKey("POST", "/v1/invitations", body, { "idempotency-key": "once" });
    assert.equal(await count(), before + 1);
  });
});
