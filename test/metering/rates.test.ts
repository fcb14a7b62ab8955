import { strict as assert } from "node:assert";
import type { WorkspaceId } from "../../engine/ids.ts";
import { publicPricing, publicPricingJson } from "../../engine/metering/public-pricing.ts";
import { rateFor, seedShippedDeck } from "../../engine/metering/rates.ts";
import { type RateRow, insertPrice, insertRate } from "../../engine/store/rates.ts";
import { type Books, ids, nowMs, openBooks, workspace } from "../wallet/books.ts";

const kes = (shillings: number) => shillings * 1_000_000;
const dayMs = 86_400_000;

describe("metering: the deck", () => {
  let books: Books;
  let wanjiru: WorkspaceId;
  beforeEach(async () => {
    books = await openBooks();
    wanjiru = await books.store.write((tx) => workspace(tx));
  });
  afterEach(() => books.close());

  const rate = (question: Partial<Parameters<typeof rateFor>[1]> = {}) =>
    books.store.read((tx) =>
      rateFor(tx, {
        workspaceId: wanjiru,
        legKind: "pstn",
        direction: "outbound",
        remoteE164: "+254712345678",
        atMs: nowMs,
        ...question,
      }),
    );
  const add = (row: Partial<RateRow>) =>
    books.store.write((tx) =>
      insertRate(tx, {
        id: `rate_${ids.bytes(8).toString("hex")}`,
        workspaceId: null,
        legKind: "pstn",
        direction: "outbound",
        prefix: "254",
        country: "KE",
        description: "Kenya",
        microKesPerMinute: kes(4),
        effectiveAtMs: nowMs,
        ...row,
      }),
    );

  it("ships Kenya at KES 3.00", async () => {
    assert.deepEqual(await rate(), { microKesPerMinute: kes(3), country: "KE", prefix: "254" });
  });

  for (const [legKind, direction, remoteE164] of [
    ["pstn", "inbound", "+254712345678"],
    ["pstn", "inbound", "+881612345678"],
    ["pstn", "inbound", "anonymous"],
    ["sip", "outbound", "sip:otieno@devices.example"],
    ["sip", "inbound", "+254200000001"],
    ["browser", "outbound", "otieno"],
    ["browser", "inbound", "otieno"],
  ] as const)
    it(`ships ${legKind} ${direction} free, ${remoteE164} too`, async () => {
      assert.equal((await rate({ legKind, direction, remoteE164 }))?.microKesPerMinute, 0);
    });

  for (const [remoteE164, country] of [
    ["+256712345678", "UG"],
    ["+255712345678", "TZ"],
    ["+250712345678", "RW"],
  ] as const)
    it(`has a sample rate for ${country}`, async () => {
      assert.equal((await rate({ remoteE164 }))?.country, country);
    });

  it("has no rate, and so no call, where the deck says nothing", async () => {
    for (const remoteE164 of ["+442071838750", "+25", "254712345678", "anonymous", ""])
      assert.equal(await rate({ remoteE164 }), null, remoteE164);
  });

  it("never rates satellite and premium ranges, whatever the deck says", async () => {
    await add({ prefix: "", country: null, microKesPerMinute: kes(1) });
    for (const prefix of ["870", "881", "882", "883", "979", "254900"])
      assert.equal(await rate({ remoteE164: `+${prefix}123456` }), null, prefix);
    assert.equal((await rate({ remoteE164: "+442071838750" }))?.prefix, "");
  });

  it("takes the longest prefix", async () => {
    await add({ prefix: "25471", microKesPerMinute: kes(5) });
    await add({ prefix: "2547", microKesPerMinute: kes(6) });
    assert.equal((await rate())?.microKesPerMinute, kes(5));
    assert.equal((await rate({ remoteE164: "+254722345678" }))?.microKesPerMinute, kes(6));
    assert.equal((await rate({ remoteE164: "+254202345678" }))?.microKesPerMinute, kes(3));
  });

  it("takes the latest date of effect that has come", async () => {
    await add({ microKesPerMinute: kes(2), effectiveAtMs: nowMs - dayMs });
    await add({ microKesPerMinute: kes(9), effectiveAtMs: nowMs + dayMs });
    assert.equal((await rate())?.microKesPerMinute, kes(2));
    assert.equal((await rate({ atMs: nowMs + dayMs - 1 }))?.microKesPerMinute, kes(2));
    assert.equal((await rate({ atMs: nowMs + dayMs }))?.microKesPerMinute, kes(9));
  });

  it("prefers a workspace's own rate at the same prefix, and never shows it to another", async () => {
    const otieno = await books.store.write((tx) => workspace(tx, "Otieno's garage"));
    await add({ workspaceId: wanjiru, microKesPerMinute: kes(2), effectiveAtMs: nowMs - 9 * dayMs });
    await add({ microKesPerMinute: kes(4) });
    assert.equal((await rate())?.microKesPerMinute, kes(2));
    assert.equal((await rate({ workspaceId: otieno }))?.microKesPerMinute, kes(4));

    await add({ prefix: "2547", microKesPerMinute: kes(7) });
    assert.equal((await rate())?.microKesPerMinute, kes(7), "a longer prefix of everybody's still wins");
  });

  it("keeps one rate a prefix, owner and date", async () => {
    assert.equal(await add({}), true);
    assert.equal(await add({ microKesPerMinute: kes(5) }), false);
    assert.equal(await add({ workspaceId: wanjiru }), true);
    assert.equal(await add({ workspaceId: wanjiru }), false);
  });

  it("is seeded once, and an operator's deck is left as it is", async () => {
    const count = async () =>
      (await books.store.read((tx) =>
        tx.get<{ rates: number; prices: number }>(
          "SELECT (SELECT COUNT(*) FROM rates) AS rates, (SELECT COUNT(*) FROM prices) AS prices",
        ),
      ))!;
    const before = await count();
    await books.store.write((tx) => seedShippedDeck(tx, ids, nowMs + dayMs));
    assert.deepEqual(await count(), before);

    await books.store.write(async (tx) => {
      await tx.run("DELETE FROM rates WHERE country = 'UG'");
      await seedShippedDeck(tx, ids, nowMs + dayMs);
    });
    assert.equal(await rate({ remoteE164: "+256712345678" }), null);
  });

  it("is in effect at once, also where the clock is behind the deck's own date", async () => {
    const early = Date.UTC(2020, 0, 1);
    await books.store.write(async (tx) => {
      await tx.run("DELETE FROM rates");
      await seedShippedDeck(tx, ids, early);
    });
    assert.equal((await rate({ atMs: early }))?.microKesPerMinute, kes(3));
  });

  describe("as everybody may read it", () => {
    const json = async (atMs = nowMs) =>
      publicPricingJson(await books.store.read((tx) => publicPricing(tx, atMs)));

    it("is the product page's document, two decimals and all", async () => {
      assert.equal(
        await json(),
        '{"currency":"KES","number_monthly_kes":100,"outbound_per_min_kes":3.00,"inbound_per_min_kes":0.00,' +
          '"recording_free_gb":5,"updated_at":"2026-06-27T00:00:00Z"}',
      );
    });

    it("changes on its day, and says since when", async () => {
      await add({ microKesPerMinute: kes(2.5), effectiveAtMs: nowMs + dayMs });
      assert.match(await json(nowMs), /"outbound_per_min_kes":3\.00,/);
      const changed = await json(nowMs + dayMs);
      assert.match(changed, /"outbound_per_min_kes":2\.50,.*"updated_at":"2026-07-02T06:00:00Z"/);
    });

    it("shows fractions of a cent, and half shillings of rent", async () => {
      await add({ microKesPerMinute: 2_505_000 });
      await books.store.write((tx) =>
        insertPrice(tx, "number_monthly", { amount: 9_950, effectiveAtMs: nowMs }),
      );
      const shown = await json();
      assert.match(shown, /"number_monthly_kes":99\.50,"outbound_per_min_kes":2\.505,/);
      assert.equal((JSON.parse(shown) as { outbound_per_min_kes: number }).outbound_per_min_kes, 2.505);
    });

    it("shows nobody's own rates", async () => {
      await add({ workspaceId: wanjiru, microKesPerMinute: kes(1) });
      assert.match(await json(), /"outbound_per_min_kes":3\.00,/);
    });
  });
});
