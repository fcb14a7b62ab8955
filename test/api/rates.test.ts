import { strict as assert } from "node:assert";
import { readDeck } from "../../engine/metering/deck-file.ts";
import { importDeck } from "../../engine/metering/deck-import.ts";
import { setOwnRate } from "../../engine/metering/own-rates.ts";
import { setPrice } from "../../engine/metering/prices.ts";
import { world, type World } from "./world.ts";

const dayMs = 86_400_000;

describe("rates over HTTP", () => {
  let api: World;
  let wanjiru: Awaited<ReturnType<World["workspace"]>>;
  let otieno: typeof wanjiru;
  before(async () => {
    api = await world();
    wanjiru = await api.workspace();
    otieno = await api.workspace({ name: "Otieno", number: "+254200000002" });
    const { lines } = readDeck(
      "prefix,country,description,kes_per_minute,effective_from\n" +
        "254,KE,Kenya,3,\n44,GB,United Kingdom,12.50,\n256,UG,Uganda,25,\n255,TZ,Tanzania,30,\n250,RW,Rwanda,36,",
    );
    const imported = await api.store.write((tx) => importDeck(tx, api, { lines, force: false }));
    assert.deepEqual(imported.bad, []);
    await api.store.write((tx) =>
      setOwnRate(tx, api, {
        ...{ workspaceId: otieno.id, prefix: "2547", country: "KE", microKesPerMinute: 2_500_000 },
        effectiveAtMs: api.clock.nowMs(),
      }),
    );
  });
  after(() => api.end());

  const rate = (to: string, key = wanjiru.key) =>
    api.ask("GET", `/v1/rates?to=${encodeURIComponent(to)}`, { key });

  it("Rates for international termination vary by destination and are listed under rate lookup", async () => {
    const { status, body } = await rate("+442071838750");
    assert.equal(status, 200);
    const { effective_from, ...rest } = body;
    assert.ok(Date.parse(effective_from) <= api.clock.nowMs());
    assert.deepEqual(rest, {
      ...{ to: "+442071838750", leg_kind: "pstn", direction: "outbound", prefix: "44", country: "GB" },
      ...{ description: "United Kingdom", currency: "KES", per_minute_kes: 12.5, per_second_kes: 0.208333 },
      ...{ source: "deck", next_change: null },
    });
    const kenya = await rate("+254712345678");
    assert.deepEqual([kenya.body.per_minute_kes, kenya.body.per_second_kes], [3, 0.05]);
    // A + that a URL reads as a space.
    assert.equal((await api.ask("GET", "/v1/rates?to=+442071838750", { key: wanjiru.key })).status, 200);
  });

  it("say when a number costs something else next", async () => {
    const { body } = await rate("+250712345678");
    assert.equal(body.per_minute_kes, 35);
    assert.equal(body.next_change.per_minute_kes, 36);
    assert.ok(Date.parse(body.next_change.effective_at) >= api.clock.nowMs() + 29 * dayMs);
  });

  it("are a workspace's own where it has one, and nobody else sees it", async () => {
    const own = (await rate("+254712345678", otieno.key)).body;
    assert.deepEqual([own.per_minute_kes, own.source, own.prefix], [2.5, "workspace", "2547"]);
    assert.equal((await rate("+254712345678")).body.source, "deck");
    assert.equal((await rate("+254202345678", otieno.key)).body.per_minute_kes, 3);
  });

  it("have no answer for what is not sold, and emergency numbers are never rated", async () => {
    for (const to of ["+33123456789", "999", "+254999", "112", "+8816123456789", "22345"]) {
      const { status, body } = await rate(to);
      assert.deepEqual([status, body.error.code], [404, "rates.not_found"], to);
      assert.ok(body.error.message.includes(to), body.error.message);
    }
    const word = await rate("otieno");
    assert.deepEqual([word.status, word.body.error.code], [400, "validation.invalid"]);
  });

  it("list the deck as the workspace pays it, page by page", async () => {
    const walk = async (key: string) => {
      const found = [];
      for (let cursor = ""; ;) {
        const { body } = await api.ask("GET", `/v1/rates?limit=2${cursor}`, { key });
        found.push(...body.data);
        if (body.next_cursor === null) return found;
        cursor = `&cursor=${body.next_cursor}`;
      }
    };
    const mine = await walk(wanjiru.key);
    assert.equal(mine.length, 10);
    assert.equal(new Set(mine.map((one) => `${one.leg_kind} ${one.direction} ${one.prefix}`)).size, 10);
    assert.ok(mine.every((one) => one.source === "deck"));
    const his = await walk(otieno.key);
    assert.deepEqual(
      his.filter((one) => one.source === "workspace").map((one) => one.prefix),
      ["2547"],
    );
    assert.equal(his.length, 11);
    const { status } = await api.ask("GET", "/v1/rates?cursor=eA", { key: wanjiru.key });
    assert.equal(status, 400);
  });

  it("ask for the scope wallet.read", async () => {
    const key = await api.key(wanjiru.id, { scopes: ["calls.read"] });
    assert.equal((await rate("+442071838750", key)).status, 403);
  });

  it("what is to come is public: no key, any origin, cacheable, 60 a minute, the soonest first", async () => {
    await api.store.write((tx) =>
      setPrice(tx, api, {
        ...{
          name: "number_monthly",
          amount: 12_000,
          effectiveAtMs: api.clock.nowMs() + 40 * dayMs,
          force: false,
        },
      }),
    );
    const first = await api.ask("GET", "/v1/public/pricing/changes?limit=1");
    assert.equal(first.status, 200);
    assert.equal(first.headers.get("access-control-allow-origin"), "*");
    assert.match(first.headers.get("cache-control") ?? "", /^public, max-age=\d+$/);
    assert.match(first.headers.get("ratelimit-policy") ?? "", /q=60; w=60/);
    const second = await api.ask(
      "GET",
      `/v1/public/pricing/changes?limit=1&cursor=${first.body.next_cursor}`,
    );
    assert.equal(second.body.next_cursor, null);
    const shown = [...first.body.data, ...second.body.data].map((one) => [
      ...[one.item, one.leg_kind, one.prefix, one.unit, one.before, one.after],
    ]);
    assert.deepEqual(shown, [
      ["outbound_call", "pstn", "250", "kes_per_minute", 35, 36],
      ["number_monthly", null, null, "kes_per_month", 100, 120],
    ]);
    assert.equal((await api.ask("GET", "/v1/public/pricing/changes?limit=0")).status, 400);
  });

  for (const prefix of ["25", "2", "254"])
    it(`a carrier's deck that names Kenya as ${prefix} is imported, and the public price is what a call there costs`, async () => {
      const kamau = await world();
      const { lines } = readDeck(`prefix,country,description,kes_per_minute\n${prefix},,Zone 2,4.20`);
      const imported = await kamau.store.write((tx) => importDeck(tx, kamau, { lines, force: true }));
      assert.deepEqual(imported.bad, []);
      const { status, body } = await kamau.ask("GET", "/v1/public/pricing");
      assert.equal(status, 200);
      assert.equal(body.outbound_per_min_kes, 4.2);
      const { key } = await kamau.workspace();
      const { body: rate } = await kamau.ask("GET", "/v1/rates?to=%2B254712345678", { key });
      assert.deepEqual(
        [rate.prefix, rate.country, rate.per_minute_kes],
        [prefix, prefix === "254" ? "KE" : null, 4.2],
      );
      await kamau.end();
    });
});
