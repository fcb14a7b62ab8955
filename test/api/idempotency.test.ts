import { strict as assert } from "node:assert";
import { once } from "node:events";
import { request } from "node:http";
import { createApi } from "../../api/app.ts";
import { keptForMs } from "../../api/idempotency.ts";
import { listen } from "../../api/server.ts";
import { databaseKind } from "../store/test-database.ts";
import { nairobi, otienosPhone, world, type World } from "./world.ts";

describe("Idempotency-Key", () => {
  let api: World;
  let wanjiru: Awaited<ReturnType<World["workspace"]>>;
  before(async () => {
    api = await world();
    wanjiru = await api.workspace();
    await api.store.write((tx) =>
      tx.run("UPDATE workspaces SET calls_per_second = 1000, concurrent_calls = 1000"),
    );
  });
  after(() => api.end());

  const call = { from: nairobi, to: otienosPhone };
  const place = (idempotencyKey: string, body: unknown = call, path = "/v1/calls") =>
    api.ask("POST", path, { key: wanjiru.key, body, headers: { "idempotency-key": idempotencyKey } });
  const placed = async () =>
    (await api.store.read((tx) => tx.get<{ calls: number }>("SELECT COUNT(*) AS calls FROM calls")))!.calls;

  it("a repeat gets the first answer again, and says so", async () => {
    const before = await placed();

    const first = await place("order-1");
    const second = await place("order-1");

    assert.equal(first.status, 201);
    assert.equal(first.headers.get("idempotent-replay"), null);
    assert.equal(second.status, 201);
    assert.equal(second.headers.get("idempotent-replay"), "true");
    assert.deepEqual(second.body, first.body);
    assert.notEqual(second.headers.get("x-request-id"), first.headers.get("x-request-id"));
    assert.equal(await placed(), before + 1);
  });

  it("the same key with another body is a conflict, even where that body is not valid", async () => {
    await place("order-2");

    for (const body of [{ ...call, record: true }, {}, "{"]) {
      const { status, body: answer } = await place("order-2", body);
      assert.deepEqual([status, answer.error.code], [409, "idempotency.conflict"]);
    }
  });

  it("another path and another workspace have keys of their own", async () => {
    const otieno = await api.workspace({ name: "Otieno", number: "+254200000002" });
    const first = await place("order-3");

    const elsewhere = await place("order-3", call, "/v1/calls/originate");
    const theirs = await api.ask("POST", "/v1/calls", {
      key: otieno.key,
      body: { ...call, from: otieno.number },
      headers: { "idempotency-key": "order-3" },
    });

    assert.equal(new Set([first.body.id, elsewhere.body.id, theirs.body.id]).size, 3);
  });

  it("a refusal is not kept: the same request may succeed later", async () => {
    const njeri = await api.workspace({ name: "Njeri", number: "+254200000003", balanceMinor: 0 });
    const ask = () =>
      api.ask("POST", "/v1/calls", {
        key: njeri.key,
        body: { ...call, from: njeri.number },
        headers: { "idempotency-key": "order-4" },
      });

    const refused = await ask();
    await api.store.write((tx) =>
      api.wallet.credit(tx, {
        workspaceId: njeri.id,
        amountMinor: 500,
        reference: "M-Pesa",
        description: "Top-up",
        kind: "credit",
        createdAtMs: api.clock.nowMs(),
      }),
    );
    const placedNow = await ask();

    assert.equal(refused.status, 402);
    assert.equal(placedNow.status, 201);
    assert.equal(placedNow.headers.get("idempotent-replay"), null);
  });

  it("the answer is kept for 24 h, then the key is as good as new", async () => {
    const first = await place("order-5");
    api.clock.offsetMs += keptForMs - 60_000;
    const repeated = await place("order-5");
    api.clock.offsetMs += 60_001;
    const anew = await place("order-5");

    assert.equal(repeated.body.id, first.body.id);
    assert.notEqual(anew.body.id, first.body.id);
    assert.equal(anew.headers.get("idempotent-replay"), null);
    const old = await api.store.read((tx) =>
      tx.get<{ rows: number }>("SELECT COUNT(*) AS rows FROM idempotent_responses WHERE created_at_ms <= ?", [
        api.clock.nowMs() - keptForMs,
      ]),
    );
    assert.equal(old!.rows, 0, "what is older was swept");
  });

  it("a key that is empty, too long or not printable is refused", async () => {
    for (const bad of ["", "x".repeat(256), "caf\u00e9", "a\tb"]) {
      const { status, body } = await place(bad);
      assert.deepEqual([status, body.error.code], [400, "idempotency.invalid_key"], JSON.stringify(bad));
    }
    assert.equal((await place("x".repeat(255))).status, 201);
  });

  it("of many at once one is done; the others are told to wait, or get its answer", async () => {
    const before = await placed();

    const answers = await Promise.all(Array.from({ length: 20 }, () => place("order-6")));

    assert.equal(await placed(), before + 1);
    const fresh = answers.filter((one) => one.status === 201 && !one.headers.has("idempotent-replay"));
    assert.equal(fresh.length, 1);
    for (const one of answers.filter(({ status }) => status !== 201)) {
      assert.deepEqual([one.status, one.body.error.code], [409, "idempotency.in_progress"]);
      assert.equal(one.headers.get("retry-after"), "1");
    }
  });

  it("two processes over one database do it once between them", async () => {
    const other = await listen(createApi(await parts(api)), { host: "127.0.0.1", port: 0, clock: api.clock });
    try {
      const before = await placed();
      const ask = (url: string) =>
        fetch(`${url}/v1/calls`, {
          method: "POST",
          headers: {
            authorization: `Bearer ${wanjiru.key}`,
            "content-type": "application/json",
            "idempotency-key": "order-7",
          },
          body: JSON.stringify(call),
        });

      const answers = await Promise.all([ask(api.url), ask(other.url)]);

      assert.equal(await placed(), before + 1);
      const bodies = await Promise.all(answers.map((one) => one.json() as Promise<{ id: string }>));
      assert.equal(bodies[0]!.id, bodies[1]!.id);
      assert.equal(answers.filter((one) => one.headers.has("idempotent-replay")).length, 1);
    } finally {
      await other.close(0);
    }
  });

  it("of two processes the second is told what the first did, and never refused for it", async () => {
    const achieng = await api.workspace({
      name: "Achieng",
      number: "+254200000004",
      balanceMinor: 1_000_000,
    });
    await api.stock("+254 20 700 0000-0009");
    const other = await listen(createApi(await parts(api)), { host: "127.0.0.1", port: 0, clock: api.clock });
    try {
      for (let last = 0; last <= 9; last++) {
        const claim = async (url: string) => {
          const answer = await fetch(`${url}/v1/numbers`, {
            method: "POST",
            headers: {
              authorization: `Bearer ${achieng.key}`,
              "content-type": "application/json",
              "idempotency-key": `claim-${last}`,
            },
            body: JSON.stringify({ number: `+25420700000${last}` }),
          });
          return { status: answer.status, body: (await answer.json()) as { id?: string } };
        };

        const [one, two] = await Promise.all([claim(api.url), claim(other.url)]);

        assert.deepEqual([one.status, two.status], [201, 201], JSON.stringify([one.body, two.body]));
        assert.equal(one.body.id, two.body.id);
      }
    } finally {
      await other.close(0);
    }
    const { body } = await api.ask("GET", "/v1/wallet", { key: achieng.key });
    assert.equal(body.balance_minor, 1_000_000 - 10 * 11_600);
  });

  it("a client that hangs up before the answer finds it kept", async () => {
    const before = await placed();
    const body = JSON.stringify(call);
    const outgoing = request(`${api.url}/v1/calls`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${wanjiru.key}`,
        "content-type": "application/json",
        "idempotency-key": "order-8",
      },
    });
    outgoing.on("error", () => undefined);
    outgoing.end(body);
    await once(outgoing, "finish");
    while ((await placed()) === before) await new Promise((resolve) => setImmediate(resolve));
    outgoing.destroy();

    const repeated = await place("order-8");

    assert.equal(repeated.headers.get("idempotent-replay"), "true");
    assert.equal(await placed(), before + 1);
  });

  // SQLite's own limit stands in for the disk's; PostgreSQL has none.
  const onSqlite = databaseKind === "sqlite" ? it : it.skip;
  onSqlite("a full disk is told as 503, does nothing, and keeps nothing", async () => {
    const before = await placed();
    await api.store.write((tx) => tx.all("PRAGMA max_page_count = 1"));
    const metadata = Object.fromEntries(
      Array.from({ length: 20 }, (_, index) => [`k${index}`, "x".repeat(180)]),
    );
    let full = await place("order-9-0", { ...call, metadata });
    // Pages that are not full yet take a few more.
    for (let tries = 1; full.status === 201; tries++)
      full = await place(`order-9-${tries}`, { ...call, metadata });
    const placedMeanwhile = await placed();
    await api.store.write((tx) => tx.all("PRAGMA max_page_count = 1073741823"));

    assert.deepEqual([full.status, full.body.error.code], [503, "database.unavailable"]);
    assert.equal(full.headers.get("retry-after"), "1");
    assert.ok(placedMeanwhile >= before);
    const again = await place("order-9-again", { ...call, metadata });
    assert.equal(again.status, 201);
    assert.equal(await placed(), placedMeanwhile + 1);
  });

  it("a secret that is shown once is left out of the replay", async () => {
    const webhook = { url: "https://93.184.215.14/events", events: ["call.completed"] };

    const first = await place("hook-1", webhook, "/v1/webhooks");
    const second = await place("hook-1", webhook, "/v1/webhooks");

    assert.match(first.body.signing_secret, /^whsec_/);
    assert.equal(first.body.secret_omitted, undefined);
    const { signing_secret, ...rest } = first.body;
    assert.deepEqual(second.body, { ...rest, secret_omitted: true });
    const kept = await api.store.read((tx) =>
      tx.all<{ response: string }>("SELECT response FROM idempotent_responses"),
    );
    assert.ok(kept.every(({ response }) => !response.includes(signing_secret)));
  });

  describe("of somebody without an API key", () => {
    const headers = (idempotencyKey: string, more: Record<string, string> = {}) => ({
      ...more,
      "idempotency-key": idempotencyKey,
    });
    const mailsTo = async (email: string) =>
      (await api.mails()).filter(({ recipient }) => recipient === email);

    it("makes a person one workspace; another person's key is another", async () => {
      const [person, other] = [await api.person("p1@example.co.ke"), await api.person("p2@example.co.ke")];
      const make = (who: typeof person, name = "Duka") =>
        api.ask("POST", "/v1/workspaces", { headers: headers("w-1", who.headers), body: { name } });

      const [first, second, theirs, conflict] = [
        await make(person),
        await make(person),
        await make(other),
        await make(person, "Another"),
      ];

      assert.deepEqual([first.status, second.status, theirs.status], [201, 201, 201]);
      assert.deepEqual([first.body.id === second.body.id, first.body.id === theirs.body.id], [true, false]);
      assert.equal(second.headers.get("idempotent-replay"), "true");
      assert.deepEqual([conflict.status, conflict.body.error.code], [409, "idempotency.conflict"]);
      const { body } = await api.ask("GET", "/v1/session", { headers: person.headers });
      assert.equal(body.workspaces.length, 1);
    });

    it("mails one link, and accepts an invitation once with the same answer", async () => {
      const link = () =>
        api.ask("POST", "/v1/sign-in-links", { headers: headers("l-1"), body: { email: "l@example.co.ke" } });
      const [asked, repeated] = [await link(), await link()];
      assert.deepEqual([asked.status, repeated.status, repeated.text], [202, 202, asked.text]);
      assert.equal(repeated.headers.get("idempotent-replay"), "true");
      assert.equal((await mailsTo("l@example.co.ke")).length, 1);

      const keysManage = await api.key(wanjiru.id, { scopes: ["keys.manage"] });
      await api.ask("POST", "/v1/invitations", {
        key: keysManage,
        body: { email: "i@example.co.ke", role: "member" },
      });
      const token = /token=(\S{43})/.exec((await mailsTo("i@example.co.ke"))[0]!.body)![1]!;
      const accept = () =>
        api.ask("POST", "/v1/invitations/accept", { headers: headers("a-1"), body: { token } });
      const [accepted, again] = [await accept(), await accept()];
      assert.deepEqual([accepted.status, again.status, again.text], [200, 200, accepted.text]);
      const kept = await api.store.read((tx) => tx.all("SELECT * FROM idempotent_responses"));
      assert.ok(!JSON.stringify(kept).includes(token) && !JSON.stringify(kept).includes("127.0.0.1"));
    });

    it("gives a stranger of the same network, who knows the key and not the token, nothing of the answer", async () => {
      const keysManage = await api.key(wanjiru.id, { scopes: ["keys.manage"] });
      const body = { email: "n@example.co.ke", role: "member" };
      await api.ask("POST", "/v1/invitations", { key: keysManage, body });
      const token = /token=(\S{43})/.exec((await mailsTo(body.email))[0]!.body)![1]!;
      const accept = (shown: string) =>
        api.ask("POST", "/v1/invitations/accept", { headers: headers("n-1"), body: { token: shown } });
      assert.equal((await accept(token)).status, 200);

      const { status, body: told, text } = await accept("0".repeat(43));

      assert.deepEqual([status, told.error.code], [409, "idempotency.conflict"]);
      for (const secret of [body.email, wanjiru.id, token]) assert.ok(!text.includes(secret), text);
    });

    it("signs in once whatever it says, since the session is in one answer alone; OpenAPI says so", async () => {
      await api.ask("POST", "/v1/sign-in-links", { body: { email: "s@example.co.ke" } });
      const token = /token=(\S{43})/.exec((await mailsTo("s@example.co.ke"))[0]!.body)![1]!;
      const signIn = () => api.ask("POST", "/v1/sessions", { headers: headers("s-1"), body: { token } });
      assert.deepEqual([(await signIn()).status, (await signIn()).status], [201, 410]);
      type Operation = { description: string; parameters?: { name: string }[] };
      const { paths } = (await api.ask("GET", "/v1/openapi.json")).body as {
        paths: Record<string, { post?: Operation }>;
      };
      for (const [path, { post }] of Object.entries(paths)) {
        if (!post) continue;
        const takes = post.parameters?.some(({ name }) => name === "Idempotency-Key") ?? false;
        assert.equal(takes, path !== "/v1/sessions", path);
      }
      assert.match(paths["/v1/sessions"]!.post!.description, /Idempotency-Key/);
    });
  });

  it("a POST without a body can be repeated as well", async () => {
    const { body } = await place("order-10");
    const hangUp = () =>
      api.ask("POST", `/v1/calls/${body.id}/hangup`, {
        key: wanjiru.key,
        headers: { "idempotency-key": "end-1" },
      });

    const first = await hangUp();
    const second = await hangUp();

    assert.equal(first.status, 200);
    assert.equal(second.headers.get("idempotent-replay"), "true");
  });
});

/** What another process over the same database would be built from. */
async function parts(api: World) {
  const { Registry } = await import("prom-client");
  return { ...api, registry: new Registry() };
}
