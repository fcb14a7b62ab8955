import { strict as assert } from "node:assert";
import { databaseKind } from "../store/test-database.ts";
import { december, minutes, policyWorld, refused, type Owner, type PolicyWorld } from "./world.ts";

const otieno = "+254712345678";
const kampala = "+256772123456";

describe(`where a workspace's calls may go, and when, on ${databaseKind}`, function () {
  this.timeout(300_000);
  let w: PolicyWorld;
  let wanjiru: Owner;
  beforeEach(async () => {
    w = await policyWorld();
    wanjiru = await w.owner();
  });
  afterEach(() => w.close());

  it("a number with a prefix that its owner refused is not called, until it is taken back", async () => {
    assert.equal((await wanjiru.patch({ refused_prefixes: ["+25471", "+25471"] })).status, 200);
    assert.deepEqual((await wanjiru.get("/v1/workspace")).refused_prefixes, ["+25471"]);
    assert.deepEqual(refused(await wanjiru.place(otieno)), [422, "calls.destination_refused", "to"]);
    const several = await wanjiru.place(["+254722000001", otieno]);
    assert.deepEqual(refused(several), [422, "calls.destination_refused", "to[1]"]);
    assert.equal((await wanjiru.place("+254722000001")).status, 201);
    await wanjiru.patch({ refused_prefixes: [] });
    assert.equal((await wanjiru.place(otieno)).status, 201);
  });

  it("a document that would dial one is refused with the request", async () => {
    await wanjiru.patch({ refused_prefixes: ["+25471"] });
    const answer = await wanjiru.place("+254722000001", { actions: [{ dial: { number: otieno } }] });
    assert.deepEqual(refused(answer), [422, "calls.destination_refused", "actions[0].dial.number"]);
    const [noted] = await wanjiru.refusals();
    assert.deepEqual([noted.reason, noted.to], ["refused_prefix", otieno]);
  });

  it("a prefix that the operator refused is nobody's, at once, until they allow it again", async () => {
    const said = await w.told("prefixes", "refuse", "+25677", "--reason", "a fraud range");
    assert.deepEqual([said["prefix"], said["reason"]], ["+25677", "a fraud range"]);
    await wanjiru.patch({ allowed_countries: ["KE", "UG"] });
    assert.deepEqual(refused(await wanjiru.place(kampala)), [422, "calls.destination_refused", "to"]);
    assert.equal((await wanjiru.place("+256312123456")).status, 201);
    assert.deepEqual(
      (await w.operator("prefixes", "list")).lines.map(({ prefix }) => prefix),
      ["+25677"],
    );
    assert.equal((await w.operator("prefixes", "refuse", "+25677")).code, 1);
    assert.equal((await w.told("prefixes", "allow", "+25677"))["refused"], false);
    assert.equal((await w.operator("prefixes", "allow", "+25677")).code, 1);
    assert.match((await w.operator("prefixes", "refuse", "25677")).stderr, /no prefix like/);
    assert.notEqual(refused(await wanjiru.place(kampala))[1], "calls.destination_refused");
  });

  it("a minute that costs more than the owner pays is not dialled, and one that costs just that is", async () => {
    await wanjiru.patch({ allowed_countries: ["KE", "UG"], highest_rate_per_minute_minor: 2_499 });
    const dear = await wanjiru.place(kampala);
    assert.deepEqual(refused(dear), [422, "calls.rate_too_high", "to"]);
    assert.match(dear.body.message, /costs KES 25\.00, more than the KES 24\.99/);
    assert.equal((await wanjiru.place(otieno)).status, 201);
    await wanjiru.patch({ highest_rate_per_minute_minor: 2_500 });
    assert.equal((await wanjiru.place(kampala)).status, 201);
    await wanjiru.patch({ highest_rate_per_minute_minor: 299 });
    assert.equal(refused(await wanjiru.place(otieno))[1], "calls.rate_too_high");
    await wanjiru.patch({ highest_rate_per_minute_minor: null });
    assert.equal((await wanjiru.place(otieno)).status, 201);
  });

  it("calls are placed in the calling windows only, by the clock in Nairobi", async () => {
    const weekdays = ["mon", "tue", "wed", "thu", "fri"];
    const windows = [
      { days: weekdays, from: "08:00", to: "18:00" },
      { days: ["sat"], from: "22:00", to: "24:00" },
    ];
    assert.equal((await wanjiru.patch({ calling_windows: windows })).status, 200);
    assert.deepEqual((await wanjiru.get("/v1/workspace")).calling_windows, windows);
    // Walking a week; the 5th of December is a Saturday.
    const moments: [day: number, time: string, opens: [day: number, time: string] | null][] = [
      [1, "17:59", null],
      [1, "18:00", [2, "08:00"]],
      [2, "07:59", [2, "08:00"]],
      [2, "08:00", null],
      [4, "23:00", [5, "22:00"]],
      [5, "21:59", [5, "22:00"]],
      [5, "22:00", null],
      [5, "23:59", null],
      [6, "00:00", [7, "08:00"]],
      [7, "08:00", null],
    ];
    for (const [day, time, opens] of moments) {
      w.goTo(december(day, time));
      const answer = await wanjiru.place(otieno);
      const what = `on ${day} December at ${time}`;
      if (opens === null) assert.equal(answer.status, 201, what);
      else {
        assert.deepEqual(refused(answer), [403, "calls.outside_window"], what);
        const opensInMs = december(...opens) - december(day, time);
        const saidMs = Number(answer.headers.get("retry-after")) * 1000;
        assert.ok(opensInMs - saidMs >= 0 && opensInMs - saidMs < minutes(1), `${what}: ${saidMs}`);
      }
    }
    await wanjiru.patch({ calling_windows: [] });
    w.goTo(december(7, "23:00"));
    assert.equal((await wanjiru.place(otieno)).status, 201);
  });

  it("what is no prefix, no window or no amount is refused by its field", async () => {
    const rows: [body: object, field: string][] = [
      [{ refused_prefixes: ["2547"] }, "refused_prefixes[0]"],
      [{ refused_prefixes: ["+0"] }, "refused_prefixes[0]"],
      [{ refused_prefixes: ["+1", "+12345678901234567"] }, "refused_prefixes[1]"],
      [{ refused_prefixes: Array.from({ length: 201 }, () => "+1") }, "refused_prefixes"],
      [{ daily_spend_cap_minor: -1 }, "daily_spend_cap_minor"],
      [{ daily_spend_cap_minor: 1.5 }, "daily_spend_cap_minor"],
      [{ highest_rate_per_minute_minor: "3" }, "highest_rate_per_minute_minor"],
      [{ calling_windows: [{ days: [], from: "08:00", to: "18:00" }] }, "calling_windows[0].days"],
      [{ calling_windows: [{ days: ["monday"], from: "08:00", to: "18:00" }] }, "calling_windows[0].days[0]"],
      [{ calling_windows: [{ days: ["mon"], from: "8:00", to: "18:00" }] }, "calling_windows[0].from"],
      [{ calling_windows: [{ days: ["mon"], from: "24:00", to: "24:00" }] }, "calling_windows[0].from"],
      [{ calling_windows: [{ days: ["mon"], from: "18:00", to: "08:00" }] }, "calling_windows[0].to"],
      [{ calling_windows: [{ days: ["mon"], from: "08:00", to: "08:00" }] }, "calling_windows[0].to"],
      [{ calling_windows: [{ days: ["mon"], from: "08:00", to: "24:01" }] }, "calling_windows[0].to"],
      [
        { calling_windows: [{ days: ["mon"], from: "08:00", to: "18:00", zone: "UTC" }] },
        "calling_windows[0].zone",
      ],
    ];
    for (const [body, field] of rows) {
      const answer = await wanjiru.patch(body);
      assert.equal(answer.status, 400, JSON.stringify(body));
      assert.equal(answer.body.error.fields[0].field, field, JSON.stringify(body));
    }
  });

  it("only an owner changes them, and a key with keys.manage", async () => {
    const key = await w.key(wanjiru.id, {});
    const admin = await w.person("admin@shop.example", { [wanjiru.id]: "admin" });
    const owner = await w.person("owner@shop.example", { [wanjiru.id]: "owner" });
    const bodies = [
      { refused_prefixes: ["+256"] },
      { daily_spend_cap_minor: null },
      { highest_rate_per_minute_minor: null },
      { calling_windows: [] },
    ];
    for (const body of bodies) {
      assert.deepEqual(refused(await w.ask("PATCH", "/v1/workspace", { key, body })), [403, "auth.scope"]);
      const asked = await w.ask("PATCH", "/v1/workspace", { headers: admin.headers, body });
      assert.deepEqual(refused(asked), [403, "auth.role"]);
      assert.equal((await w.ask("PATCH", "/v1/workspace", { headers: owner.headers, body })).status, 200);
    }
  });
});
