import { strict as assert } from "node:assert";
import { world, type World } from "./world.ts";

/** What newcomers run into first: each refusal names the field, and says what is wrong with it. */
describe("the edges of the API", () => {
  let api: World;
  let wanjiru: Awaited<ReturnType<World["workspace"]>>;
  before(async () => {
    api = await world();
    wanjiru = await api.workspace({
      key: {
        scopes: [
          "keys.manage",
          "recordings.delete",
          "audit.read",
          "wallet.read",
          "wallet.write",
          "numbers.read",
          "numbers.claim",
        ],
      },
    });
  });
  after(() => api.end());

  const ask = (method: string, path: string, body?: unknown) =>
    api.ask(method, path, { key: wanjiru.key, ...(body === undefined ? {} : { body }) });
  const refusal = async (method: string, path: string, body?: unknown) => {
    const answer = await ask(method, path, body);
    const { code, fields = [] } = answer.body.error;
    return [
      answer.status,
      code,
      ...fields.map((one: { field: string; code: string }) => `${one.field} ${one.code}`),
    ];
  };

  it("takes countries that there are, each once, or none at all", async () => {
    const countries = (allowed_countries: string[]) =>
      refusal("PATCH", "/v1/workspace", { allowed_countries });
    assert.deepEqual(await countries(["KE", "GB", "XX"]), [
      400,
      "validation.invalid",
      "allowed_countries[2] country",
    ]);
    assert.deepEqual(await countries(["KE", "ke"]), [
      400,
      "validation.invalid",
      "allowed_countries[1] format",
    ]);
    assert.deepEqual(await countries(["KE", "UG", "KE"]), [
      400,
      "validation.invalid",
      "allowed_countries[2] duplicate",
    ]);
    for (const allowed_countries of [[], ["KE", "GB", "TZ"]]) {
      const { status, body } = await ask("PATCH", "/v1/workspace", { allowed_countries });
      assert.deepEqual([status, body.allowed_countries], [200, allowed_countries]);
    }
  });

  it("says of a choice that is left out that it is missing", async () => {
    assert.deepEqual(
      (await refusal("POST", "/v1/topups", { amount_minor: 500_000, phone_e164: "+254722000001" }))
        .slice(2)
        .sort(),
      ["currency required", "provider required"],
    );
    const invited = await refusal("POST", "/v1/invitations", { email: "otieno@example.co.ke" });
    assert.deepEqual(invited.slice(2), ["role required"]);
  });

  it("says of every amount that cannot be topped up that it is out of range", async () => {
    const topUp = (amount_minor: number) =>
      refusal("POST", "/v1/topups", {
        ...{ provider: "mpesa", currency: "KES", phone_e164: "+254722000001", amount_minor },
      });
    for (const amount of [1e30, -1e30, 2 ** 53, 100, 15_000_100])
      assert.deepEqual(
        await topUp(amount),
        [422, "topups.amount_out_of_range", "amount_minor range"],
        String(amount),
      );
    assert.deepEqual(await topUp(100_000.5), [400, "validation.invalid", "amount_minor type"]);
  });

  it("tells a statement that is not there from a month that is none", async () => {
    for (const month of ["2026-13", "2026", "july", "2026-07.pdf"])
      assert.deepEqual(
        await refusal("GET", `/v1/wallet/statements/${month}`),
        [400, "validation.invalid", "month month"],
        month,
      );
    assert.deepEqual(await refusal("GET", "/v1/wallet/statements/2019-01"), [
      ...[404, "wallet.statement_not_found", "month month"],
    ]);
  });

  it("lists numbers and porting requests in one status", async () => {
    await api.store.write((tx) => tx.run("UPDATE numbers SET status = 'suspended'"));
    const numbers = async (status: string) =>
      (await ask("GET", `/v1/numbers?status=${status}`)).body.data.length as number;
    assert.deepEqual(
      [await numbers("held"), await numbers("suspended"), await numbers("active"), await numbers("released")],
      [1, 1, 0, 0],
    );
    await api.store.write((tx) => tx.run("UPDATE numbers SET status = 'active'"));
    assert.deepEqual([await numbers("held"), await numbers("suspended"), await numbers("active")], [1, 0, 1]);

    const key = await api.key(wanjiru.id, {});
    const body = { number: "+254207555555", current_carrier: "Telkom", account_reference: "7" };
    assert.equal((await api.ask("POST", "/v1/ports", { key, body })).status, 201);
    const ports = async (status: string) =>
      (await ask("GET", `/v1/ports?status=${status}`)).body.data.length as number;
    assert.deepEqual([await ports("submitted"), await ports("completed")], [1, 0]);
    assert.deepEqual(await refusal("GET", "/v1/ports?status=lost"), [
      400,
      "validation.invalid",
      "status value",
    ]);
  });

  it("refuses a span of the audit log that ends before it begins", async () => {
    const [from, to] = ["2026-11-02T00:00:00Z", "2026-11-01T00:00:00Z"];
    assert.deepEqual(await refusal("GET", `/v1/audit?from=${from}&to=${to}`), [
      400,
      "validation.invalid",
      "from range",
    ]);
    assert.equal((await ask("GET", `/v1/audit?from=${to}&to=${from}`)).status, 200);
  });

  it("says that a request of a session came without its origin", async () => {
    const { headers } = await api.person("wanjiru@shop.example", { [wanjiru.id]: "owner" });
    const patched = (given: Record<string, string>) =>
      api.ask("PATCH", "/v1/workspace", { headers: given, body: { name: "Duka" } });
    const without = await patched({ cookie: headers.cookie });
    assert.deepEqual([without.status, without.body.error.code], [403, "auth.cross_site"]);
    assert.match(without.body.message, /needs the header Origin/);
    const other = await patched({ ...headers, origin: "https://other.example" });
    assert.match(other.body.message, /A page of another site/);
  });

  it("says to whom a number belongs that is the workspace's own", async () => {
    await api.stock("+254 20 700 0000-0001");
    const claim = () => ask("POST", "/v1/numbers", { number: "+254207000000" });
    assert.equal((await claim()).status, 201);
    const again = await claim();
    assert.deepEqual([again.status, again.body.error.code], [409, "numbers.already_claimed"]);
    assert.match(again.body.message, /Your workspace has this number already/);
  });

  it("lets a page of any site ask first for the public prices", async () => {
    const { status, headers } = await fetch(`${api.url}/v1/public/pricing`, {
      method: "OPTIONS",
      headers: {
        ...{ origin: "https://shop.example", "access-control-request-method": "GET" },
        "access-control-request-headers": "x-trace",
      },
    });
    assert.equal(status, 204);
    assert.deepEqual(
      ["origin", "methods", "headers"].map((name) => headers.get(`access-control-allow-${name}`)),
      ["*", "GET, HEAD", "*"],
    );
    assert.equal((await ask("GET", "/v1/public/pricing?utm_source=x")).status, 200, "as caches take it");
  });

  it("says in the OpenAPI document how many are listed without `limit`", async () => {
    const { body } = await ask("GET", "/v1/openapi.json");
    const limits = Object.values<Record<string, { parameters?: { name: string; schema: object }[] }>>(
      body.paths,
    )
      .flatMap((path) => Object.values(path).flatMap(({ parameters = [] }) => parameters))
      .filter(({ name }) => name === "limit");
    assert.ok(limits.length > 10);
    for (const { schema } of limits)
      assert.deepEqual(schema, {
        ...{ type: "integer", minimum: 1, maximum: 100, default: 25 },
        description: "How many at most.",
      });
  });
});
