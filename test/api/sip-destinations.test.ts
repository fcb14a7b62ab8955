import { strict as assert } from "node:assert";
import { createEgress } from "../../engine/egress/egress.ts";
import { isListed } from "../../engine/sip/destinations.ts";
import { parseSipUri } from "../../engine/sip/sip-uri.ts";
import { scopes } from "../../engine/workspaces/scopes.ts";
import { databaseKind } from "../store/test-database.ts";
import { world, type World } from "./world.ts";

describe(`SIP destinations over the API, on ${databaseKind}`, () => {
  let api: World;
  let wanjiru: Awaited<ReturnType<World["workspace"]>>;
  const addresses: Record<string, string[]> = {
    "pbx.example.co.ke": ["93.184.215.14"],
    "inside.example": ["93.184.215.14", "10.0.0.7"],
    "v6.example": ["2606:2800:21f:cb07:6820:80da:af6b:8b2c"],
  };
  before(async () => {
    api = await world({
      sip: {
        access: () => ({ realm: "x", domain: "sip.sautikit.example", ports: { udp: 5060, tcp: 5060 } }),
        changed: () => undefined,
      },
      checkSipHost: (host, field) =>
        createEgress({
          ...{ clock: api.clock, allowPrivate: false },
          resolve: (name) => {
            const found = addresses[name.toLowerCase()];
            return found ? Promise.resolve(found) : Promise.reject(new Error("ENOTFOUND"));
          },
        }).checkSipHost(host, field),
    });
    wanjiru = await api.workspace({ key: { scopes } });
  });
  after(() => api.end());

  const ask = (method: string, more: string, body?: unknown, key = wanjiru.key) =>
    api.ask(method, `/v1/sip-destinations${more}`, { key, ...(body === undefined ? {} : { body }) });
  const listed = (text: string, id = wanjiru.id) =>
    api.store.read((tx) => isListed(tx, id, parseSipUri(text)!));

  it("one is put on the list, is shown there, and is taken off it; what is left out may be any", async () => {
    const { status, body } = await ask("POST", "", { host: "PBX.example.co.ke", label: "Head office" });
    assert.equal(status, 201, JSON.stringify(body));
    const { id, created_at: createdAt, ...rest } = body;
    assert.match(id, /^dst_/);
    assert.match(createdAt, /Z$/);
    const any = { port: null, transport: null, user: null };
    assert.deepEqual(rest, { host: "pbx.example.co.ke", ...any, label: "Head office" });
    assert.deepEqual((await ask("GET", "")).body, { data: [body], next_cursor: null });
    for (const uri of ["sip:a@pbx.example.co.ke", "sip:B@PBX.example.co.ke:7000;transport=tls"])
      assert.equal(await listed(uri), true, uri);
    assert.equal(await listed("sip:a@other.pbx.example.co.ke"), false);
    assert.equal((await ask("DELETE", `/${id}`)).status, 204);
    assert.equal(await listed("sip:a@pbx.example.co.ke"), false);
    const again = await ask("DELETE", `/${id}`);
    assert.deepEqual([again.status, again.body.error.code], [404, "sip.destination_not_found"]);
    const { body: audit } = await api.ask("GET", "/v1/audit", { key: wanjiru.key });
    const told = audit.data.filter((row: { subject: string }) => row.subject === id);
    assert.deepEqual(
      told.map((row: { before: unknown; after: unknown }) => [row.before, row.after]),
      [
        [body, null],
        [null, body],
      ],
    );
  });

  for (const [what, entry, yes, no] of [
    [
      "a port",
      { port: 5060 },
      ["sip:a@93.184.215.14", "sip:a@93.184.215.14:5060;transport=tcp"],
      ["sip:a@93.184.215.14:5061", "sip:a@93.184.215.14;transport=tls"],
    ],
    [
      "a transport",
      { transport: "tcp" },
      ["sip:a@93.184.215.14;transport=tcp", "sip:a@93.184.215.14:9;transport=tcp"],
      ["sip:a@93.184.215.14", "sip:a@93.184.215.14;transport=tls"],
    ],
    [
      "a user",
      { user: "Reception" },
      ["sip:Reception@93.184.215.14:9"],
      ["sip:reception@93.184.215.14", "sip:Reception2@93.184.215.14"],
    ],
  ] as const) {
    it(`${what} that it names is the only one`, async () => {
      const { body } = await ask("POST", "", { host: "93.184.215.14", ...entry });
      for (const uri of yes) assert.equal(await listed(uri), true, uri);
      for (const uri of no) assert.equal(await listed(uri), false, uri);
      await ask("DELETE", `/${body.id}`);
    });
  }

  for (const [what, body, status, code, field] of [
    ["an address in disguise", { host: "127.1" }, 400, "validation.invalid", "host"],
    ["a URI", { host: "sip:pbx.example" }, 400, "validation.invalid", "host"],
    ["a wildcard", { host: "*.example" }, 400, "validation.invalid", "host"],
    ["a loopback address", { host: "127.0.0.1" }, 422, "sip.host_not_allowed", "host"],
    ["a private address", { host: "192.168.1.20" }, 422, "sip.host_not_allowed", "host"],
    ["a metadata address", { host: "169.254.169.254" }, 422, "sip.host_not_allowed", "host"],
    ["a name that leads inside as well", { host: "inside.example" }, 422, "sip.host_not_allowed", "host"],
    ["a name with IPv6 addresses alone", { host: "v6.example" }, 422, "sip.host_not_allowed", "host"],
    ["a name that nobody has", { host: "nobody.example" }, 422, "sip.host_not_allowed", "host"],
    ["our own domain", { host: "SIP.sautikit.example" }, 400, "validation.invalid", "host"],
    ["port 0", { host: "93.184.215.14", port: 0 }, 400, "validation.invalid", "port"],
    ["WebSockets", { host: "93.184.215.14", transport: "wss" }, 400, "validation.invalid", "transport"],
    [
      "what is not spoken here",
      { host: "93.184.215.14", transport: "tls" },
      400,
      "validation.invalid",
      "transport",
    ],
    ["a user with a comma", { host: "93.184.215.14", user: "a,b" }, 400, "validation.invalid", "user"],
    ["a misspelt field", { host: "93.184.215.14", users: "a" }, 400, "validation.unknown_field", "users"],
  ] as const) {
    it(`${what} is refused by its field, and nothing is stored`, async () => {
      const answer = await ask("POST", "", body);
      const { error } = answer.body;
      assert.deepEqual([answer.status, error.code, error.fields[0].field], [status, code, field]);
      assert.deepEqual((await ask("GET", "")).body.data, []);
    });
  }

  it("one that is there is not put there again, and a list has its end", async () => {
    const entry = { host: "93.184.215.14", user: "reception" };
    assert.equal((await ask("POST", "", entry)).status, 201);
    const twice = await ask("POST", "", { ...entry, label: "again" });
    assert.deepEqual([twice.status, twice.body.error.code], [409, "sip.destination_exists"]);
    const both = await Promise.all([1, 2].map(() => ask("POST", "", { host: "93.184.215.14", port: 7 })));
    assert.deepEqual(both.map(({ status }) => status).sort(), [201, 409]);
    for (let user = 0; user < 98; user++)
      assert.equal((await ask("POST", "", { host: "93.184.215.14", user: `u${user}` })).status, 201);
    const more = await ask("POST", "", { host: "93.184.215.14" });
    assert.deepEqual([more.status, more.body.error.code], [409, "sip.too_many_destinations"]);
    const page = (await ask("GET", "?limit=60")).body;
    const rest = (await ask("GET", `?limit=60&cursor=${page.next_cursor}`)).body;
    assert.deepEqual([page.data.length, rest.data.length, rest.next_cursor], [60, 40, null]);
    assert.equal(page.data[0].user, "u97");
  });

  it("a list is its workspace's alone", async () => {
    const otieno = await api.workspace({ key: { scopes } });
    const { body } = await ask("GET", "?limit=1");
    assert.deepEqual((await ask("GET", "", undefined, otieno.key)).body.data, []);
    assert.equal((await ask("DELETE", `/${body.data[0].id}`, undefined, otieno.key)).status, 404);
    assert.equal(await listed("sip:u97@93.184.215.14"), true);
    assert.equal(await listed("sip:u97@93.184.215.14", otieno.id), false);
  });

  it("a document that dials what is not on it is refused by its field, and that is noted", async () => {
    const document = (sip: string) =>
      api.ask("POST", "/v1/calls", {
        ...{ key: wanjiru.key },
        body: { from: wanjiru.number, to: "+254722000001", actions: [{ dial: { sip } }] },
      });
    const sip = "sip:u98@93.184.215.14:9000;transport=tcp";
    const { status, body } = await document(sip);
    assert.deepEqual([status, body.error.code], [422, "sip.destination_not_allowed"]);
    assert.equal(body.error.fields[0].field, "actions[0].dial.sip");
    const { body: refusals } = await api.ask("GET", "/v1/refusals", { key: wanjiru.key });
    const { reason, source, to } = refusals.data[0];
    assert.deepEqual([reason, source, to], ["sip_destination", "api", sip]);
    assert.equal((await document("sip:u97@93.184.215.14")).status, 201);
  });
});
