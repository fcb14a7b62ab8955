import { strict as assert } from "node:assert";
import { systemClock, type Clock } from "../../engine/clock.ts";
import { dayOf, startOfDayMs } from "../../engine/east-africa-time.ts";
import type { WorkspaceId } from "../../engine/ids.ts";
import { createMailQueue } from "../../engine/mail/mail-queue.ts";
import { earliestMs, noticeMs } from "../../engine/metering/deck-diff.ts";
import { readDeck, writeDeck } from "../../engine/metering/deck-file.ts";
import { importDeck } from "../../engine/metering/deck-import.ts";
import { setOwnRate } from "../../engine/metering/own-rates.ts";
import { setPrice } from "../../engine/metering/prices.ts";
import { PricingMails } from "../../engine/metering/pricing-mails.ts";
import { changeView } from "../../engine/metering/pricing-notices.ts";
import { publicPricing } from "../../engine/metering/public-pricing.ts";
import { lookUpRate, rateFor, seedShippedDeck } from "../../engine/metering/rates.ts";
import { insertMember, upsertUser } from "../../engine/store/members.ts";
import { changesToCome } from "../../engine/store/pricing-changes.ts";
import { allRates, findPrice } from "../../engine/store/rates.ts";
import { silentLog } from "../switch/peers.ts";
import { type Books, ids, nowMs as start, openBooks, workspace } from "../wallet/books.ts";

const kes = (shillings: number) => shillings * 1_000_000;
const dayMs = 86_400_000;
const otienosPhone = "+254712345678";

describe("metering: an operator's deck", () => {
  let books: Books;
  let wanjiru: WorkspaceId;
  /** Moved by hand. */
  let nowMs: number;
  const clock: Clock = { ...systemClock, nowMs: () => nowMs, nowUs: () => nowMs * 1000 };
  beforeEach(async () => {
    nowMs = start;
    books = await openBooks();
    wanjiru = await books.store.write((tx) => workspace(tx));
  });
  afterEach(() => books.close());

  async function imported(csv: string, force = false) {
    const { lines, bad } = readDeck(csv);
    assert.deepEqual(bad, []);
    return books.store.write((tx) => importDeck(tx, { ids, clock }, { lines, force }));
  }
  const costs = async (remoteE164: string, atMs = nowMs, workspaceId = wanjiru) =>
    (
      await books.store.read((tx) =>
        rateFor(tx, { workspaceId, legKind: "pstn", direction: "outbound", remoteE164, atMs }),
      )
    )?.microKesPerMinute ?? null;
  const toCome = () => books.store.read((tx) => changesToCome(tx, { nowMs, after: null, limit: 100 }));
  const kinds = (diff: Awaited<ReturnType<typeof imported>>) =>
    diff.changes.map(({ kind, row }) => [kind, row.prefix]);

  describe("names every bad line by its number, and nothing is imported then", () => {
    const head = "prefix,country,description,kes_per_minute,effective_from";
    for (const [name, csv, line, says] of [
      ["a price in words", `${head}\n254,KE,Kenya,three,`, 2, /kes_per_minute is like/],
      ["a price below nothing", `${head}\n254,KE,Kenya,-3,`, 2, /kes_per_minute/],
      ["a price of seven decimals", `${head}\n254,KE,Kenya,3.0000001,`, 2, /six decimals/],
      ["a prefix that is none", `${head}\n254,KE,Kenya,3,\n2x4,,,1,`, 3, /prefix "2x4"/],
      ["a country in words", `${head}\n254,Kenya,Kenya,3,`, 2, /country "KENYA"/],
      ["a date that is none", `${head}\n254,KE,Kenya,3,2026-02-30`, 2, /effective_from/],
      ["a date without its zone", `${head}\n254,KE,Kenya,3,2026-12-01T00:00:00`, 2, /effective_from/],
      ["a field too many", `${head}\n254,KE,Kenya,3,,x`, 2, /has 6 fields/],
      ["a satellite range", `${head}\n8816,,Globalstar,3,`, 2, /never sold/],
      ["all the world", `${head}\n,,World,3,`, 2, /open door/],
      ["a prefix twice", `${head}\n254,KE,Kenya,3,\n\n254,KE,Kenya,4,`, 4, /on line 2 already/],
      ["a column that nobody knows", "prefix,kes\n254,3", 1, /no column "kes"/],
      ["a quote that does not end", `${head}\n254,KE,"Kenya,3,`, 2, /./],
      ["nothing", "", 1, /empty/],
    ] as const)
      it(name, () => {
        const { bad } = readDeck(csv);
        assert.ok(
          bad.some((one) => one.line === line && says.test(one.reason)),
          JSON.stringify(bad),
        );
      });

    it("all of them at once", () => {
      const { bad } = readDeck(`${head}\n254,KE,Kenya,3,\n255,TZ,Tanzania,x,\n256,UGA,Uganda,3,\n`);
      assert.deepEqual(
        bad.map(({ line }) => line),
        [3, 4],
      );
    });

    it("as well where a date has passed, or Kenya would have no price", async () => {
      const before = await books.store.read((tx) => allRates(tx, null));
      const past = await imported("prefix,kes_per_minute,effective_from\n254,4,2026-01-01\n256,25,\n");
      assert.match(past.bad[0]!.reason, /has passed/);
      assert.equal(past.bad[0]!.line, 2);
      const none = await imported("prefix,kes_per_minute\n256,25\n");
      assert.match(none.bad[0]!.reason, /Kenya .* no price/);
      assert.deepEqual(await books.store.read((tx) => allRates(tx, null)), before);
    });
  });

  it("sells at once what was not sold, changes after 30 days what was, and ends what it leaves out", async () => {
    const diff = await imported(
      "prefix,country,description,kes_per_minute\n254,KE,Kenya,3.50\n44,GB,United Kingdom,12",
    );
    assert.deepEqual(kinds(diff), [
      ["changed", "254"],
      ["new", "44"],
      ["ended", "250"],
      ["ended", "255"],
      ["ended", "256"],
    ]);
    assert.equal(await costs("+442071838750"), kes(12));
    assert.equal(await costs(otienosPhone), kes(3));
    assert.equal(await costs("+256712345678"), kes(25));
    const then = earliestMs(nowMs);
    assert.ok(then - nowMs >= noticeMs && then - nowMs < noticeMs + dayMs);
    assert.equal(startOfDayMs(dayOf(then)), then, "a midnight of East Africa");
    for (const [atMs, price, uganda] of [
      [then - 1, kes(3), kes(25)],
      [then, kes(3.5), null],
    ] as const) {
      assert.equal(await costs(otienosPhone, atMs), price);
      assert.equal(await costs("+256712345678", atMs), uganda);
    }
  });

  it("imported twice changes nothing the second time, nor on a later day", async () => {
    const csv = "prefix,country,description,kes_per_minute\n254,KE,Kenya,3.50\n44,GB,United Kingdom,12";
    await imported(csv);
    nowMs += 3 * dayMs;
    const again = await imported(csv);
    assert.deepEqual([again.changes, again.withdrawn, again.noticeId], [[], [], null]);
    assert.equal(again.unchanged, 2);
  });

  it("as it is exported imports without a change", async () => {
    await imported(
      'prefix,country,description,kes_per_minute\n254,KE,"Kenya, all of it",3.50\n44,GB,UK,0.055',
    );
    nowMs += dayMs;
    const csv = writeDeck(await books.store.read((tx) => allRates(tx, null)), nowMs);
    const again = await imported(csv);
    assert.deepEqual([again.changes, again.withdrawn, again.described], [[], [], []]);
    assert.ok(
      csv.startsWith("prefix,country,description,kes_per_minute,effective_from,leg_kind,direction\n"),
    );
    assert.match(csv, /^44,GB,UK,0\.055,/m);
  });

  it("takes back what was to come and is in the next file no more", async () => {
    const file = (price: string) => `prefix,kes_per_minute\n254,${price}\n256,25\n255,30\n250,35`;
    await imported(file("3.50"));
    assert.equal((await toCome()).length, 1);
    nowMs += dayMs;
    const back = await imported(file("3"));
    assert.equal(back.withdrawn.length, 1);
    assert.deepEqual(await toCome(), []);
    assert.equal(await costs(otienosPhone, nowMs + 90 * dayMs), kes(3));
  });

  it("takes several dates of a prefix", async () => {
    await imported(
      "prefix,kes_per_minute,effective_from\n254,3,2026-06-27T00:00:00Z\n254,3.5,2026-09-01\n254,4,2026-12-01",
    );
    assert.equal(await costs(otienosPhone, Date.UTC(2026, 7, 31, 20, 59)), kes(3));
    assert.equal(await costs(otienosPhone, Date.UTC(2026, 7, 31, 21)), kes(3.5));
    assert.equal(await costs(otienosPhone, Date.UTC(2026, 11, 1)), kes(4));
    // Nothing is sold to Uganda then, and 2547 costs what 254 does.
    assert.equal(await costs("+256712345678", Date.UTC(2026, 11, 1)), null);
  });

  it("a longer prefix that ends leaves the price of the shorter one", async () => {
    await imported("prefix,kes_per_minute\n254,3\n2547,2.50\n256,25\n255,30\n250,35", true);
    assert.equal(await costs(otienosPhone), kes(2.5));
    nowMs += dayMs;
    await imported("prefix,kes_per_minute\n254,3\n256,25\n255,30\n250,35");
    assert.equal(await costs(otienosPhone, nowMs + 29 * dayMs), kes(2.5));
    assert.equal(await costs(otienosPhone, nowMs + 32 * dayMs), kes(3));
  });

  describe("Pricing changes are announced at least 30 days in advance", () => {
    const from = (atMs: number, price = "3.50") =>
      `prefix,kes_per_minute,effective_from\n254,${price},${new Date(atMs).toISOString()}\n256,25,\n255,30,\n250,35,`;

    it("a day less is refused, up or down, unless forced", async () => {
      for (const price of ["3.50", "2.50"]) {
        const soon = await imported(from(nowMs + noticeMs - 1, price));
        assert.match(soon.bad[0]!.reason, /30 days after it is imported/);
        assert.equal(soon.bad[0]!.line, 2);
      }
      assert.deepEqual(await toCome(), []);
      assert.equal((await imported(from(nowMs + noticeMs))).bad.length, 0);
      assert.equal((await toCome()).length, 1);
      await imported(from(nowMs + dayMs), true);
      assert.deepEqual(
        (await toCome()).map((change) => change.effectiveAtMs),
        [nowMs + dayMs],
        "and the one that was announced before is taken back",
      );
    });

    it("a prefix that is ended and sold anew is one that changes", async () => {
      const without = "prefix,kes_per_minute\n254,3.00\n256,25\n250,35\n";
      const again = (price: string, at = "") =>
        `prefix,kes_per_minute,effective_from\n254,3.00,\n256,25,\n255,${price},${at}\n250,35,\n`;
      assert.equal((await imported(without)).bad.length, 0);
      const [ended] = await toCome();
      const endsAtMs = ended!.effectiveAtMs;
      nowMs = endsAtMs - dayMs;
      const within = await imported(again("90", new Date(endsAtMs).toISOString()));
      assert.match(within.bad[0]!.reason, /30 days after it is imported/);
      nowMs = endsAtMs + 60_000;
      assert.match(
        (await imported(again("90", new Date(nowMs + dayMs).toISOString()))).bad[0]!.reason,
        /30 days/,
      );
      assert.equal((await imported(again("90"))).bad.length, 0);
      const [anew] = await toCome();
      assert.deepEqual([anew!.beforeAmount, anew!.afterAmount], [kes(30), kes(90)]);
      assert.ok(anew!.effectiveAtMs >= nowMs + noticeMs - dayMs);
    });

    it("walking the clock: listed until its day, then charged, and public pricing says so", async () => {
      await imported(from(nowMs + noticeMs));
      const atMs = nowMs + noticeMs;
      for (; nowMs < atMs; nowMs += dayMs) {
        const [change] = await toCome();
        assert.deepEqual(
          [change!.beforeAmount, change!.afterAmount, change!.effectiveAtMs],
          [kes(3), kes(3.5), atMs],
        );
        assert.equal(await costs(otienosPhone), kes(3));
      }
      assert.deepEqual(await toCome(), []);
      assert.equal(await costs(otienosPhone), kes(3.5));
      const pricing = await books.store.read((tx) => publicPricing(tx, nowMs));
      assert.equal(pricing.outbound_per_min_kes, 3.5);
      assert.equal(Date.parse(pricing.updated_at), atMs);
    });

    it("prices as well; VAT, which the law sets, is listed and may come sooner", async () => {
      const set = (
        name: "number_monthly" | "vat_basis_points",
        amount: number,
        effectiveAtMs: number,
        force = false,
      ) => books.store.write((tx) => setPrice(tx, { ids, clock }, { name, amount, effectiveAtMs, force }));
      assert.equal((await set("number_monthly", 12_000, nowMs + noticeMs - 1)).kind, "tooSoon");
      assert.equal((await set("number_monthly", 12_000, nowMs)).kind, "past");
      assert.equal((await set("number_monthly", 12_000, nowMs + noticeMs)).kind, "set");
      assert.equal((await set("number_monthly", 12_000, nowMs + noticeMs)).kind, "unchanged");
      assert.equal((await set("vat_basis_points", 1_400, nowMs + dayMs)).kind, "set");
      assert.deepEqual(
        (await toCome()).map((change) => [change.priceName, change.afterAmount]),
        [
          ["vat_basis_points", 1_400],
          ["number_monthly", 12_000],
        ],
      );
      const price = async (atMs: number) =>
        (await books.store.read((tx) => findPrice(tx, "number_monthly", atMs)))!.amount;
      assert.deepEqual([await price(nowMs + noticeMs - 1), await price(nowMs + noticeMs)], [10_000, 12_000]);
      // Another takes its place, and the same as now takes it back.
      assert.equal((await set("number_monthly", 11_000, nowMs + dayMs, true)).kind, "set");
      assert.equal(await price(nowMs + 2 * noticeMs), 11_000);
      assert.equal((await set("number_monthly", 10_000, nowMs + dayMs, true)).kind, "set");
      assert.equal(await price(nowMs + 2 * noticeMs), 10_000);
      assert.equal((await toCome()).length, 1);
    });

    it("are mailed once to every owner, whatever crashes in between", async () => {
      const owners = ["wanjiru@example.co.ke", "otieno@example.co.ke"];
      await books.store.write(async (tx) => {
        for (let index = 0; index < 250; index++) {
          const id = await workspace(tx, `shop ${index}`);
          const email =
            owners[index] ?? (index < 200 ? `owner${index}@example.co.ke` : "wanjiru@example.co.ke");
          const user = await upsertUser(tx, { id: ids.next("usr"), email, createdAtMs: nowMs });
          await insertMember(tx, { workspaceId: id, userId: user.id, role: "owner", createdAtMs: nowMs });
        }
      });
      await imported(from(nowMs + noticeMs));
      const mails = createMailQueue({ ids, clock, wake: () => undefined });
      // The first process dies in its second transaction.
      let sends = 0;
      const dying = new PricingMails({
        publicUrl: () => "https://api.sautikit.example",
        ...{ store: books.store, clock, log: silentLog },
        mails: {
          send: (tx, mail) => (++sends > 150 ? Promise.reject(new Error("killed")) : mails.send(tx, mail)),
        },
      });
      await assert.rejects(dying.look(), /killed/);
      // Two at once go on from there.
      const sender = () =>
        new PricingMails({
          publicUrl: () => "https://api.sautikit.example",
          store: books.store,
          mails,
          clock,
          log: silentLog,
        }).look();
      await Promise.all([sender(), sender()]);
      await sender();
      const rows = await books.store.read((tx) =>
        tx.all<{ recipient: string; body: string }>("SELECT recipient, body FROM mails ORDER BY recipient"),
      );
      assert.equal(rows.length, 200, "one to each address");
      assert.equal(new Set(rows.map((row) => row.recipient)).size, 200);
      assert.match(
        rows[0]!.body,
        /from 31 July 2026, 09:00 EAT: Calls to \+254 \(Kenya\): KES 3\.50 a minute instead of KES 3\.00/,
      );
      assert.match(rows[0]!.body, /listed at https:\/\/api\.sautikit\.example\/v1\/public\/pricing\/changes/);
    });

    for (const [legKind, title] of [
      ["sip", "Calls to SIP devices (To a SIP device)"],
      ["browser", "Calls to browsers (To a browser)"],
    ] as const)
      it(`of calls to ${legKind} as well: every price that everybody pays`, async () => {
        const costs = async (atMs: number) =>
          (
            await books.store.read((tx) =>
              rateFor(tx, {
                workspaceId: wanjiru,
                legKind,
                direction: "outbound",
                remoteE164: "otieno",
                atMs,
              }),
            )
          )?.microKesPerMinute;
        const file = (at: string) =>
          `prefix,kes_per_minute,leg_kind,direction,effective_from\n,1.00,${legKind},outbound,${at}`;
        const soon = await imported(file(new Date(nowMs + dayMs).toISOString()));
        assert.match(soon.bad[0]?.reason ?? "", /30 days after it is imported/);
        assert.deepEqual((await imported(file(""))).bad, []);
        const [change] = await toCome();
        assert.deepEqual([change!.beforeAmount, change!.afterAmount], [0, kes(1)]);
        assert.equal(changeView(change!).title, title);
        assert.equal(await costs(nowMs + noticeMs - 1), 0);
        assert.equal(await costs(change!.effectiveAtMs), kes(1));
      });

    describe("and one that is withdrawn is mailed once to those who were told of it", () => {
      const shop = (name: string) =>
        books.store.write(async (tx) => {
          const workspaceId = await workspace(tx, name);
          const email = `${name}@example.co.ke`;
          const { id } = await upsertUser(tx, { id: ids.next("usr"), email, createdAtMs: nowMs });
          await insertMember(tx, { workspaceId, userId: id, role: "owner", createdAtMs: nowMs });
        });
      const mailer = () =>
        new PricingMails({
          publicUrl: () => "https://api.sautikit.example",
          ...{ store: books.store, clock, log: silentLog },
          mails: createMailQueue({ ids, clock, wake: () => undefined }),
        });
      const mailed = async () =>
        (
          await books.store.read((tx) =>
            tx.all<{ recipient: string; subject: string; body: string }>("SELECT * FROM mails ORDER BY id"),
          )
        ).map((mail) => ({ ...mail, to: mail.recipient.split("@")[0] }));
      const old = "prefix,kes_per_minute\n254,3\n256,25\n255,30\n250,35";

      it("a rate of the deck", async () => {
        for (const name of ["wanjiru", "otieno"]) await shop(name);
        await imported(from(nowMs + noticeMs));
        await mailer().look();
        nowMs += dayMs;
        await shop("achieng");
        await imported(old);
        await Promise.all([mailer().look(), mailer().look()]);
        await mailer().look();
        const mails = await mailed();
        assert.deepEqual(mails.map(({ to }) => to).sort(), ["otieno", "otieno", "wanjiru", "wanjiru"]);
        const withdrawn = mails.filter(({ subject }) => /withdrawn/.test(subject));
        assert.deepEqual(withdrawn.map(({ to }) => to).sort(), ["otieno", "wanjiru"]);
        assert.match(
          withdrawn[0]!.body,
          /from 31 July 2026, 09:00 EAT: Calls to \+254 \(Kenya\): KES 3\.50 a minute instead of KES 3\.00/,
        );
      });

      it("a price, and one that takes its place is told of by itself", async () => {
        await shop("wanjiru");
        const set = (amount: number) =>
          books.store.write((tx) =>
            setPrice(
              tx,
              { ids, clock },
              { name: "number_monthly", amount, effectiveAtMs: start + 2 * noticeMs, force: false },
            ),
          );
        await set(12_000);
        await mailer().look();
        nowMs += dayMs;
        await set(11_000);
        await mailer().look();
        const lines = (await mailed()).map(({ subject, body }) => [subject, /^- .*$/m.exec(body)?.[0]]);
        assert.deepEqual(lines, [
          [
            "Sautikit: prices change",
            "- from 30 August 2026, 09:00 EAT: Number rental, before VAT: KES 120.00 a month instead of KES 100.00",
          ],
          [
            "Sautikit: a change of prices is withdrawn",
            "- from 30 August 2026, 09:00 EAT: Number rental, before VAT: KES 120.00 a month instead of KES 100.00",
          ],
          [
            "Sautikit: prices change",
            "- from 30 August 2026, 09:00 EAT: Number rental, before VAT: KES 110.00 a month instead of KES 100.00",
          ],
        ]);
      });

      it("before all were told: to those alone, and the others hear of neither", async () => {
        for (let n = 0; n < 150; n++) await shop(`shop${n}`);
        await imported(from(nowMs + noticeMs));
        // A hundred workspaces, the first of which has no owner.
        assert.equal(await mailer().step(), true);
        nowMs += dayMs;
        await imported(old);
        await mailer().look();
        const subjects = Object.groupBy(await mailed(), ({ to }) => to ?? "");
        assert.equal(Object.keys(subjects).length, 99);
        for (const mails of Object.values(subjects))
          assert.deepEqual(
            mails!.map(({ subject }) => subject),
            ["Sautikit: prices change", "Sautikit: a change of prices is withdrawn"],
          );
      });

      it("before anybody was told: to nobody", async () => {
        await shop("wanjiru");
        await imported(from(nowMs + noticeMs));
        await imported(old);
        await mailer().look();
        assert.deepEqual(await mailed(), []);
      });
    });

    it("two at once: the later one counts, and what the first had announced is taken back", async () => {
      const effectiveAtMs = nowMs + noticeMs;
      const set = (amount: number) =>
        books.store.write((tx) =>
          setPrice(tx, { ids, clock }, { name: "number_monthly", amount, effectiveAtMs, force: false }),
        );
      const amounts = [12_000, 13_000, 14_000, 15_000];
      // Each has a connection of its own by then.
      await Promise.all(amounts.map(() => toCome()));
      const done = await Promise.all(amounts.map(set));
      assert.deepEqual(
        done.map(({ kind }) => kind),
        amounts.map(() => "set"),
      );
      const price = await books.store.read((tx) => findPrice(tx, "number_monthly", effectiveAtMs));
      assert.equal(price!.effectiveAtMs, effectiveAtMs);
      assert.deepEqual(
        (await toCome()).map(({ beforeAmount, afterAmount }) => [beforeAmount, afterAmount]),
        [[10_000, price!.amount]],
      );
      const same = await Promise.all(
        ["3.60", "3.60", "3.60"].map((kes) => imported(from(effectiveAtMs, kes))),
      );
      assert.equal(same.filter(({ noticeId }) => noticeId !== null).length, 1);
      assert.equal(await costs(otienosPhone, effectiveAtMs), kes(3.6));
    });

    it("what nobody paid for before is not announced", async () => {
      await imported("prefix,kes_per_minute\n254,3\n256,25\n255,30\n250,35\n44,12");
      assert.deepEqual(await toCome(), []);
    });
  });

  it("a workspace's own rate needs no notice, begins on its day, and ends as it began", async () => {
    const otieno = await books.store.write((tx) => workspace(tx, "Otieno's garage"));
    const set = (microKesPerMinute: number | null, effectiveAtMs = nowMs) =>
      books.store.write((tx) =>
        setOwnRate(
          tx,
          { ids, clock },
          {
            ...{ workspaceId: wanjiru, prefix: "254", country: null, microKesPerMinute, effectiveAtMs },
          },
        ),
      );
    await set(kes(2), nowMs + dayMs);
    assert.equal(await costs(otienosPhone), kes(3));
    nowMs += dayMs;
    assert.equal(await costs(otienosPhone), kes(2));
    assert.equal(await costs(otienosPhone, nowMs, otieno), kes(3));
    nowMs += dayMs;
    await set(null);
    assert.equal(await costs(otienosPhone), kes(3));
    assert.deepEqual(await toCome(), []);
  });

  it("the lookup names the next change of what a number costs", async () => {
    await imported("prefix,kes_per_minute\n254,3.50\n256,25\n255,30\n250,35");
    const look = () =>
      books.store.read((tx) =>
        lookUpRate(tx, { workspaceId: wanjiru, remoteE164: otienosPhone, atMs: nowMs }),
      );
    const atMs = earliestMs(nowMs);
    assert.deepEqual((await look())!.nextChange, { atMs, microKesPerMinute: kes(3.5) });
    nowMs = atMs;
    assert.equal((await look())!.nextChange, null);
  });

  it("is never overwritten by the shipped one, and each change of it is in the audit log", async () => {
    await imported("prefix,kes_per_minute\n254,4", true);
    const rows = await books.store.read((tx) => allRates(tx, null));
    await books.store.write((tx) => seedShippedDeck(tx, ids, nowMs + dayMs));
    assert.deepEqual(await books.store.read((tx) => allRates(tx, null)), rows);
    await books.store.write((tx) =>
      setPrice(
        tx,
        { ids, clock },
        {
          ...{ name: "recording_gb_month", amount: 300, effectiveAtMs: nowMs + noticeMs, force: false },
        },
      ),
    );
    const audit = await books.store.read((tx) =>
      tx.all<{ action: string; actorKind: string; after: string }>(
        "SELECT action, actor_kind, after FROM audit_entries ORDER BY id",
      ),
    );
    assert.deepEqual(
      audit.map(({ action, actorKind }) => [action, actorKind]),
      [
        ["rates import", "operator"],
        ["prices set", "operator"],
      ],
    );
    assert.deepEqual(JSON.parse(audit[0]!.after), {
      ...{ new: 0, changed: 1, ended: 3, unchanged: 0, withdrawn: 0, forced: true },
    });
  });
});
