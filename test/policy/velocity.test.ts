import { strict as assert } from "node:assert";
import type { CallId } from "../../engine/ids.ts";
import { databaseKind } from "../store/test-database.ts";
import { hours, minutes, policyWorld, refused, type Owner, type PolicyWorld } from "./world.ts";

/** Of a range of its own each, so that only what a test is about is many. */
const someNumber = (index: number) => `+25471${String(index).padStart(4, "0")}678`;
const inRange = (index: number) => `+254722111${String(index).padStart(3, "0")}`;
const kampala = "+256772123456";

describe(`calls that look like fraud, on ${databaseKind}`, function () {
  this.timeout(300_000);
  let w: PolicyWorld;
  let wanjiru: Owner;
  beforeEach(async () => {
    w = await policyWorld();
    wanjiru = await w.owner({ balanceMinor: 10_000_000 });
  });
  afterEach(() => w.close());

  async function placed(to: string): Promise<CallId> {
    const answer = await wanjiru.place(to);
    assert.equal(answer.status, 201, answer.text);
    return answer.body.id as CallId;
  }
  async function talked(seconds: number, count: number, first = 0): Promise<void> {
    for (let index = first; index < first + count; index++)
      await w.talk(await placed(someNumber(index)), seconds);
  }

  it("sixty short talks within ten minutes are too many, until the first of them is ten minutes ago", async () => {
    await talked(1, 60);
    assert.deepEqual(refused(await wanjiru.place(someNumber(70))), [429, "calls.velocity"]);
    // The first was over after a second, and the last after a minute.
    w.later(minutes(9) + 999);
    assert.equal(refused(await wanjiru.place(someNumber(70)))[1], "calls.velocity");
    w.later(1);
    await placed(someNumber(70));
  });

  it("talks of six seconds are not short, nor calls that nobody answers", async () => {
    await talked(6, 40);
    for (let index = 100; index < 140; index++) await w.end(await placed(someNumber(index)), null);
    await talked(5, 59, 200);
    await placed(someNumber(300));
  });

  it("whoever talks a lot has some short ones", async () => {
    await w.told("workspace", "limits", wanjiru.id, "--short-calls", "5");
    for (let index = 0; index < 8; index++) await talked(index % 3 === 0 ? 2 : 20, 1, index);
    for (let index = 8; index < 15; index++) await talked(index % 3 === 0 ? 2 : 20, 1, index);
    // Five of them were short, yet not five of the last ten.
    await placed(someNumber(20));
    await talked(2, 3, 30);
    assert.equal(refused(await wanjiru.place(someNumber(40)))[1], "calls.velocity");
  });

  it("thirty numbers of one range within an hour are too many; the same ones again are not, nor those of others", async () => {
    for (let index = 0; index < 30; index++) await placed(inRange(index));
    const answer = await wanjiru.place(inRange(30));
    assert.deepEqual(refused(answer), [429, "calls.velocity", "to"]);
    assert.ok(Number(answer.headers.get("retry-after")) > 0);
    await placed(inRange(29));
    await placed(someNumber(1));
    const other = await w.owner({ number: "+254200000002" });
    assert.equal((await other.place(inRange(30))).status, 201);
    w.later(hours(1));
    await placed(inRange(30));
  });

  it("numbers that are rung at once count each, and one too many refuses the whole", async () => {
    await w.told("workspace", "limits", wanjiru.id, "--numbers-per-range", "3");
    const answer = await wanjiru.place([inRange(1), inRange(2), inRange(3), inRange(4)]);
    assert.deepEqual(refused(answer), [429, "calls.velocity", "to[3]"]);
    assert.equal((await wanjiru.place([inRange(1), inRange(2), inRange(3)])).status, 201);
    assert.equal(refused(await wanjiru.place(inRange(4)))[1], "calls.velocity");
  });

  it("the first call to a foreign country is told to the owners, once; for an hour one at a time goes there", async () => {
    await w.person("owner@shop.example", { [wanjiru.id]: "owner" });
    await wanjiru.listen();
    await wanjiru.patch({ allowed_countries: ["KE", "UG", "TZ"] });
    const first = await placed(kampala);
    assert.deepEqual(
      (await wanjiru.events("calls.new_country")).map(({ country, to }) => [country, to]),
      [["UG", kampala]],
    );
    const [mail, ...others] = await w.mails();
    assert.deepEqual(
      [mail?.recipient, mail?.subject, others.length],
      ["owner@shop.example", "First call to UG", 0],
    );
    assert.match(mail?.body ?? "", /\+256772123456/);

    const second = await wanjiru.place("+256312123456");
    assert.deepEqual(refused(second), [429, "calls.velocity", "to"]);
    // Another new country has an hour of its own, and home has none.
    await placed("+255222123456");
    await placed(someNumber(1));
    await placed(someNumber(2));
    await w.end(first, null);
    await placed("+256312123456");
    w.later(hours(1) - 1);
    assert.equal(refused(await wanjiru.place(kampala))[1], "calls.velocity");
    w.later(1);
    await placed(kampala);
    await placed("+256772123457");
    assert.equal((await wanjiru.events("calls.new_country")).length, 2);
    assert.equal((await w.mails()).length, 2);
  });

  it("a call abroad that is refused was none", async () => {
    await wanjiru.listen();
    await wanjiru.patch({ allowed_countries: ["KE", "UG"], daily_spend_cap_minor: 0 });
    assert.equal(refused(await wanjiru.place(kampala))[1], "calls.spend_cap");
    assert.equal(
      refused(await wanjiru.place([kampala, "+255222123456"]))[1],
      "calls.destination_not_allowed",
    );
    assert.deepEqual(await wanjiru.events("calls.new_country"), []);
    await wanjiru.patch({ daily_spend_cap_minor: null });
    await placed(kampala);
    assert.equal((await wanjiru.events("calls.new_country")).length, 1);
  });

  it("each rule is the operator's to loosen, and to take away", async () => {
    const view = await w.told(
      ...["workspace", "limits", wanjiru.id, "--short-calls", "none", "--numbers-per-range", "none"],
      ...["--new-country-watch", "no"],
    );
    assert.deepEqual(
      [view["short_calls_max"], view["numbers_per_range_max"], view["new_country_watch"]],
      [null, null, false],
    );
    await wanjiru.patch({ allowed_countries: ["KE", "UG"] });
    for (let index = 0; index < 35; index++) await w.talk(await placed(inRange(index)), 1);
    await talked(1, 30);
    await placed(kampala);
    await placed("+256312123456");
  });
});

describe(`calls that are placed at once, on ${databaseKind}`, function () {
  this.timeout(300_000);
  let w: PolicyWorld;
  beforeEach(async () => {
    w = await policyWorld();
  });
  afterEach(() => w.close());

  const sumUp = (answers: { status: number; body: { error?: { code: string } } }[]) => ({
    placed: answers.filter(({ status }) => status === 201).length,
    codes: [...new Set(answers.flatMap(({ body }) => body.error?.code ?? []))],
  });

  it("take a place each where there are some, and never one more", async () => {
    const wanjiru = await w.owner();
    await w.told("workspace", "limits", wanjiru.id, "--concurrent", "3", "--numbers-per-range", "5");
    const all = await Promise.all(Array.from({ length: 20 }, (_, index) => wanjiru.place(someNumber(index))));
    assert.deepEqual(sumUp(all), { placed: 3, codes: ["calls.concurrency_limit"] });

    const achieng = await w.owner({ number: "+254200000002" });
    await w.told("workspace", "limits", achieng.id, "--numbers-per-range", "5");
    const ranged = await Promise.all(Array.from({ length: 20 }, (_, index) => achieng.place(inRange(index))));
    assert.deepEqual(sumUp(ranged), { placed: 5, codes: ["calls.velocity"] });

    const njeri = await w.owner({ number: "+254200000003" });
    await njeri.patch({ allowed_countries: ["KE", "UG"] });
    await njeri.listen();
    const abroad = await Promise.all(
      Array.from({ length: 20 }, (_, index) => njeri.place(`+25677212${String(index).padStart(2, "0")}00`)),
    );
    assert.deepEqual(sumUp(abroad), { placed: 1, codes: ["calls.velocity"] });
    assert.equal((await njeri.events("calls.new_country")).length, 1);
    const [noted, ...others] = await njeri.refusals();
    assert.deepEqual([noted.reason, noted.count, others.length], ["new_country", 19, 0]);
  });
});
