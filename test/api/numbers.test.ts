import { strict as assert } from "node:assert";
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { dayMs } from "../../engine/clock.ts";
import { walletBalanceMinor } from "../../engine/store/ledger.ts";
import { verifyLedger } from "../../engine/wallet/verify.ts";
import { nairobi, world, type World } from "./world.ts";

const run = promisify(execFile);

describe("numbers over the API", () => {
  let api: World;
  let wanjiru: Awaited<ReturnType<World["workspace"]>>;
  let otieno: Awaited<ReturnType<World["workspace"]>>;
  before(async () => {
    api = await world({ checkUrl: () => Promise.resolve() });
    wanjiru = await api.workspace({ number: "+254200000901" });
    otieno = await api.workspace({ name: "Otieno", number: "+254200000902", balanceMinor: 11_600 });
    await api.stock("+254 20 000 0001-0020");
    await api.stock("+254 20 710 0000-0299");
  });
  after(async () => {
    const findings = await api.store.read(verifyLedger);
    await api.end();
    assert.deepEqual(
      findings.filter(({ ok }) => !ok),
      [],
    );
  });

  const ask = (method: string, path: string, body?: unknown, key = wanjiru.key) =>
    api.ask(method, path, { key, ...(body === undefined ? {} : { body }) });
  const balance = (of = wanjiru) => api.store.read((tx) => walletBalanceMinor(tx, of.id));
  const claim = (number: string, key = wanjiru.key) => ask("POST", "/v1/numbers", { number }, key);
  let next = 0;
  const another = () => `+25420710${String(next++).padStart(4, "0")}`;

  it("the product page's curl lines list and purchase a number, and answer as the page does", async () => {
    const page = await readFile(new URL("../fixtures/product-page.txt", import.meta.url), "utf8");
    const section = page.slice(
      page.indexOf("\nProvisioning via API\n"),
      page.indexOf("\nPorting existing numbers\n"),
    );
    const [list, purchase, shown] = [
      section.slice(section.indexOf("curl -X GET"), section.indexOf("# Purchase")),
      section.slice(section.indexOf("curl -X POST"), section.indexOf("Response:")),
      section.slice(section.indexOf("Response:") + "Response:".length),
    ];
    const answer = async (command: string) => {
      const text = command.replaceAll("https://api.sautikit.com", api.url);
      const { stdout } = await run("sh", ["-c", text], {
        env: { ...process.env, SAUTIKIT_API_KEY: wanjiru.key },
      });
      return JSON.parse(stdout) as Record<string, unknown>;
    };
    const { data } = (await answer(list)) as { data: { number: string; country: string }[] };
    assert.equal(data.length, 5);
    assert.deepEqual([data[0]!.number, data[0]!.country], [nairobi, "ke"]);

    const before = await balance();
    const bought = await answer(purchase);
    assert.equal(before - (await balance()), 11_600, "KES 116.00: 100.00 and 16 % VAT");
    const { events_url, voice_signing_secret, ...asOnThePage } = bought;
    assert.equal(events_url, null);
    assert.match(String(voice_signing_secret), /^whsec_[A-Za-z0-9+/]{43}=$/);
    const template = JSON.parse(shown.trim()) as Record<string, unknown>;
    assert.deepEqual(Object.keys(asOnThePage), Object.keys(template), "the page's fields, in its order");
    const { id, provisioned_at } = asOnThePage;
    assert.deepEqual({ ...template, id, provisioned_at }, asOnThePage);
    assert.match(String(id), /^num_[0-9a-z]{26}$/);
    assert.match(String(provisioned_at), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  });

  it("a claimed number is listed, looked at, and calls are placed from it at once", async () => {
    const number = another();
    const { status, body } = await claim(number);
    assert.equal(status, 201);
    const placed = await ask("POST", "/v1/calls", { from: number, to: "+254712345678" });
    assert.equal(placed.status, 201);
    const seen = await ask("GET", `/v1/numbers/${body.id}`);
    assert.equal(seen.status, 200);
    assert.deepEqual(
      [seen.body.number, seen.body.status, seen.body.suspended_by, seen.body.record],
      [number, "active", null, false],
    );
    assert.equal(seen.body.voice_signing_secret, undefined, "shown once");
    const listed = await ask("GET", "/v1/numbers?limit=100");
    assert.deepEqual(listed.body.data.at(0), seen.body, "the newest first");
    // The operator's gift costs nothing.
    const given = listed.body.data.find((one: { number: string }) => one.number === wanjiru.number);
    assert.deepEqual([given.monthly_rate_kes, given.paid_until], [0, null]);
  });

  it("numbers are listed newest first, and one that is claimed meanwhile moves no page", async () => {
    const njeri = await api.workspace({ name: "Njeri", number: "+254200000911", balanceMinor: 116 * 500 });
    await api.stock("+254 20 711 0000-0004");
    const claim = async (last: number) => {
      const claimed = await ask("POST", "/v1/numbers", { number: `+25420711000${last}` }, njeri.key);
      assert.equal(claimed.status, 201);
    };
    for (const last of [0, 1, 2]) await claim(last);
    const page = async (cursor: string | null) => {
      const query = `?limit=2${cursor === null ? "" : `&cursor=${cursor}`}`;
      const { body } = await ask("GET", `/v1/numbers${query}`, undefined, njeri.key);
      return { numbers: body.data.map((one: { number: string }) => one.number), next: body.next_cursor };
    };
    const first = await page(null);
    assert.deepEqual(first.numbers, ["+254207110002", "+254207110001"]);
    await claim(3);
    const second = await page(first.next);
    assert.deepEqual(second, { numbers: ["+254207110000", "+254200000911"], next: null });
    assert.deepEqual((await page(null)).numbers[0], "+254207110003");
  });

  it("available ones can be looked for by country, beginning and digits, page by page", async () => {
    const numbers = async (query: string) => {
      const { status, body } = await ask("GET", `/v1/numbers/available?${query}`);
      assert.equal(status, 200, JSON.stringify(body));
      return body.data.map((one: { number: string }) => one.number) as string[];
    };
    assert.deepEqual(await numbers("country=KE&prefix=%2B2542071002&limit=2"), [
      "+254207100200",
      "+254207100201",
    ]);
    assert.deepEqual(await numbers("prefix=+2542071002&limit=1"), ["+254207100200"], "a + that is a space");
    assert.deepEqual(await numbers("prefix=2542071002&contains=0299"), ["+254207100299"]);
    assert.deepEqual(await numbers("country=ug"), []);
    const first = await ask("GET", "/v1/numbers/available?prefix=2542071002&limit=60");
    const second = await ask(
      "GET",
      `/v1/numbers/available?prefix=2542071002&limit=60&cursor=${first.body.next_cursor}`,
    );
    const both = [...first.body.data, ...second.body.data].map((one: { number: string }) => one.number);
    assert.deepEqual([both.length, new Set(both).size, second.body.next_cursor], [100, 100, null]);
    for (const query of ["prefix=%25", "contains=2_5", "country=kenya", "prefix=", "limit=0", "digits=1"])
      assert.equal((await ask("GET", `/v1/numbers/available?${query}`)).status, 400, query);
  });

  it("a number can be claimed by its id in the inventory", async () => {
    const { body } = await ask("GET", "/v1/numbers/available?prefix=2542071001&limit=1");
    const [{ id, number }] = body.data;
    const claimed = await ask("POST", `/v1/numbers/${id}/claim`, {
      events_url: "https://shop.example/events",
    });
    assert.deepEqual([claimed.status, claimed.body.number], [201, number]);
    assert.deepEqual(
      [claimed.body.voice_callback_url, claimed.body.events_url],
      [null, "https://shop.example/events"],
    );
    for (const nothing of ["inv_01j00000000000000000000001", "Nairobi", claimed.body.id]) {
      const { status, body: refusal } = await ask("POST", `/v1/numbers/${nothing}/claim`, {});
      assert.deepEqual([status, refusal.error.code], [404, "numbers.not_in_inventory"], nothing);
    }
  });

  it("a lost race is 409 without a debit", async () => {
    const number = another();
    const rich = await api.workspace({ name: "Achieng", number: "+254200000903" });
    const answers = await Promise.all([wanjiru.key, rich.key].map((key) => claim(number, key)));
    assert.deepEqual(answers.map(({ status }) => status).sort(), [201, 409]);
    const lost = answers.findIndex(({ status }) => status === 409);
    assert.equal(answers[lost]!.body.error.code, "numbers.already_claimed");
    const loser = lost === 0 ? wanjiru : rich;
    const rentals = await api.ask("GET", "/v1/wallet/transactions", { key: loser.key });
    assert.ok(!rentals.body.data.some((one: { description: string }) => one.description.includes(number)));
  });

  it("without the money for a month it is 402, and nothing happens", async () => {
    const [one, other] = [another(), another()];
    assert.equal((await claim(one, otieno.key)).status, 201);
    const { status, body } = await claim(other, otieno.key);
    assert.deepEqual([status, body.error.code], [402, "wallet.insufficient_funds"]);
    assert.match(body.message, /KES 116\.00/);
    assert.equal(await balance(otieno), 0);
    assert.equal((await claim(other)).status, 201, "it is still there for another");
  });

  it("a number that is not in the inventory is 404, and one that is somebody's 409", async () => {
    for (const [number, status, code] of [
      ["+254209999999", 404, "numbers.not_in_inventory"],
      [nairobi, 409, "numbers.already_claimed"],
    ] as const) {
      const answer = await claim(number);
      assert.deepEqual([answer.status, answer.body.error.code], [status, code]);
    }
    const { status, body } = await claim("0207100001");
    assert.deepEqual([status, body.error.fields[0].field], [400, "number"]);
    assert.equal((await ask("POST", "/v1/numbers", { number: another(), ring: true })).status, 400);
  });

  it("claimed twice with one Idempotency-Key, is claimed and paid once; the replay has no secret", async () => {
    const number = another();
    const before = await balance();
    const once = () =>
      api.ask("POST", "/v1/numbers", {
        ...{ key: wanjiru.key, body: { number }, headers: { "idempotency-key": number } },
      });
    const [first, again] = [await once(), await once()];
    assert.deepEqual([first.status, again.status], [201, 201]);
    assert.equal(again.body.id, first.body.id);
    assert.deepEqual([again.body.voice_signing_secret, again.body.secret_omitted], [undefined, true]);
    assert.equal(before - (await balance()), 11_600);
  });

  it("routing says where calls ask and tell and whether they are recorded; what is left out stays", async () => {
    const { body } = await claim(another());
    const path = `/v1/numbers/${body.id}/routing`;
    const [voice, fallback] = ["https://shop.example/voice", "https://shop.example/fallback"];
    await ask("PATCH", path, { voice_callback_url: voice, voice_fallback_url: fallback });
    const routed = await ask("PATCH", path, { voice_fallback_url: null, record: true });
    assert.equal(routed.status, 200);
    assert.deepEqual(
      [routed.body.voice_callback_url, routed.body.voice_fallback_url, routed.body.record],
      [voice, null, true],
    );
    assert.deepEqual((await ask("GET", `/v1/numbers/${body.id}`)).body, routed.body);
    const ring = await ask("PATCH", path, { ring_sip: true });
    assert.deepEqual([ring.status, ring.body.ring_sip, ring.body.record], [200, true, true]);
    const audit = await api.store.read((tx) =>
      tx.all<{ action: string; before: string; after: string }>(
        "SELECT action, before, after FROM audit_entries WHERE subject = ? ORDER BY id",
        [body.id],
      ),
    );
    assert.deepEqual(
      audit.map(({ action }) => action),
      ["createNumber", "routeNumber", "routeNumber", "routeNumber"],
    );
    assert.deepEqual(
      [JSON.parse(audit[2]!.before).record, JSON.parse(audit[2]!.after).record],
      [false, true],
    );
    assert.doesNotMatch(JSON.stringify(audit), /whsec_/);
  });

  it("a URL of its routing that leads inside is refused", async () => {
    const strict = await world();
    const customer = await strict.workspace();
    await strict.stock("+254 20 710 0000-0001");
    const inside = "http://127.0.0.1/voice";
    const patch = await strict.ask("PATCH", `/v1/numbers/${customer.numberId}/routing`, {
      ...{ key: customer.key, body: { voice_fallback_url: inside } },
    });
    const post = await strict.ask("POST", "/v1/numbers", {
      ...{ key: customer.key, body: { number: "+254207100000", voice_callback_url: inside } },
    });
    await strict.end();
    for (const [answer, field] of [
      [patch, "voice_fallback_url"],
      [post, "voice_callback_url"],
    ] as const)
      assert.deepEqual(
        [answer.status, answer.body.error.code, answer.body.error.fields[0].field],
        [422, "webhooks.url_not_allowed", field],
      );
  });

  it("released, refuses calls and changes, shows that it was, and rests", async () => {
    const number = another();
    const { body } = await claim(number);
    const first = await ask("POST", "/v1/calls", { from: number, to: "+254712345678" });
    const released = await ask("DELETE", `/v1/numbers/${body.id}`);
    assert.deepEqual([released.status, released.text], [204, ""]);
    const twice = await api.ask("DELETE", `/v1/numbers/${body.id}`, { key: wanjiru.key, changes: false });
    assert.equal(twice.status, 204);

    const refused = await ask("POST", "/v1/calls", { from: number, to: "+254712345678" });
    assert.deepEqual([refused.status, refused.body.error.code], [403, "calls.caller_id_not_owned"]);
    const live = await ask("GET", `/v1/calls/${first.body.id}`);
    assert.equal(live.body.call.ended_at, null, "a call that runs goes on");
    const seen = await ask("GET", `/v1/numbers/${body.id}`);
    assert.deepEqual([seen.status, seen.body.status], [200, "released"]);
    assert.ok(seen.body.released_at !== null);
    for (const [method, path, change] of [
      ["PATCH", "routing", { record: true }],
      ["POST", "rotate-signing-secret", undefined],
    ] as const) {
      const answer = await ask(method, `/v1/numbers/${body.id}/${path}`, change);
      assert.deepEqual([answer.status, answer.body.error.code], [409, "numbers.released"]);
    }
    const held = await ask("GET", "/v1/numbers?limit=100");
    assert.ok(!held.body.data.some((one: { id: string }) => one.id === body.id));
    const had = await ask("GET", "/v1/numbers?status=released");
    assert.deepEqual(had.body.data, [seen.body]);
    const again = await claim(number);
    assert.deepEqual([again.status, again.body.error.code], [409, "numbers.resting"]);
    const { body: available } = await ask("GET", `/v1/numbers/available?prefix=${number.slice(1)}`);
    assert.deepEqual(available.data, []);
  });

  it("another workspace sees and changes nothing of it", async () => {
    const { body } = await claim(another());
    for (const [method, path, change] of [
      ["GET", "", undefined],
      ["DELETE", "", undefined],
      ["PATCH", "/routing", { voice_callback_url: "https://mallory.example/" }],
      ["POST", "/rotate-signing-secret", undefined],
    ] as const) {
      const answer = await ask(method, `/v1/numbers/${body.id}${path}`, change, otieno.key);
      assert.deepEqual(
        [answer.status, answer.body.error.code],
        [404, "numbers.not_found"],
        `${method} ${path}`,
      );
    }
    const { body: list } = await ask("GET", "/v1/numbers?limit=100", undefined, otieno.key);
    assert.ok(!list.data.some((one: { id: string }) => one.id === body.id));
    for (const id of ["Nairobi", "num_01j00000000000000000000001"])
      assert.equal((await ask("GET", `/v1/numbers/${id}`)).status, 404);
  });

  it("each door asks for its scope", async () => {
    const reads = await api.key(wanjiru.id, { scopes: ["numbers.read"] });
    const writes = await api.key(wanjiru.id, { scopes: ["numbers.write"] });
    const claims = await api.key(wanjiru.id, { scopes: ["numbers.claim"] });
    const { body } = await claim(another());
    for (const [key, method, path, change, allowed] of [
      [writes, "GET", "/v1/numbers/available", undefined, false],
      [writes, "POST", "/v1/numbers", { number: another() }, false],
      [reads, "POST", "/v1/numbers", { number: another() }, false],
      [reads, "PATCH", `/v1/numbers/${body.id}/routing`, {}, false],
      [reads, "DELETE", `/v1/numbers/${body.id}`, undefined, false],
      [claims, "DELETE", `/v1/numbers/${body.id}`, undefined, false],
      [claims, "GET", "/v1/numbers", undefined, false],
      [reads, "GET", "/v1/numbers", undefined, true],
      [writes, "PATCH", `/v1/numbers/${body.id}/routing`, {}, true],
      [claims, "POST", "/v1/numbers", { number: another() }, true],
    ] as const) {
      const answer = await ask(method, path, change, key);
      assert.equal(answer.status === 403, !allowed, `${method} ${path}: ${answer.status}`);
    }
  });

  it("a frozen workspace claims nothing", async () => {
    const frozen = await api.workspace({ name: "Mallory", number: "+254200000904" });
    await api.store.write((tx) => tx.run("UPDATE workspaces SET frozen_at_ms = 1 WHERE id = ?", [frozen.id]));
    const { status, body } = await claim(another(), frozen.key);
    assert.deepEqual([status, body.error.code], [403, "workspace.frozen"]);
  });

  it("unpaid, shows why it is suspended and until when it can be paid; a top-up brings it back", async () => {
    const poor = await api.workspace({ name: "Wambui", number: "+254200000905", balanceMinor: 11_600 });
    const number = another();
    const { body } = await claim(number, poor.key);
    api.clock.offsetMs = 31 * dayMs;
    try {
      await api.renewals.run();
      const { body: seen } = await ask("GET", `/v1/numbers/${body.id}`, undefined, poor.key);
      assert.deepEqual([seen.status, seen.suspended_by], ["suspended", "unpaid"]);
      assert.ok(Math.abs(Date.parse(seen.release_at) - api.clock.nowMs() - 7 * dayMs) < 60_000);
      await api.store.write((tx) =>
        api.wallet.credit(tx, {
          ...{
            workspaceId: poor.id,
            amountMinor: 11_700,
            reference: "a top-up",
            description: "",
            kind: "credit",
          },
          createdAtMs: api.clock.nowMs(),
        }),
      );
      const unpaid = await ask("POST", "/v1/calls", { from: number, to: "+254712345678" }, poor.key);
      assert.equal(unpaid.body.error.code, "calls.caller_id_not_owned");
      await api.renewals.run();
      const { body: back } = await ask("GET", `/v1/numbers/${body.id}`, undefined, poor.key);
      assert.deepEqual([back.status, back.suspended_by, back.release_at], ["active", null, null]);
      const paid = await ask("POST", "/v1/calls", { from: number, to: "+254712345678" }, poor.key);
      assert.equal(paid.status, 201);
    } finally {
      api.clock.offsetMs = 0;
    }
  });
});
