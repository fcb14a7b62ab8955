import { strict as assert } from "node:assert";
import { dueNotices, unreadableNotices } from "../../../engine/store/mpesa.ts";
import { mpesaWorld, shortcode, token, wanjirusPhone, type MpesaWorld } from "./world.ts";

describe("M-Pesa top-ups", () => {
  let here: MpesaWorld;
  let wanjiru: Awaited<ReturnType<MpesaWorld["api"]["workspace"]>>;
  let numbers = 0;
  beforeEach(async () => {
    here = await mpesaWorld();
    wanjiru = await here.api.workspace({ balanceMinor: 0, number: `+25420000${1000 + numbers++}` });
  });
  afterEach(() => here.end());

  const post = (key: string, body: object, headers: Record<string, string> = {}) =>
    here.api.ask("POST", "/v1/topups", {
      key,
      headers,
      body: { provider: "mpesa", amount_minor: 500_000, currency: "KES", phone_e164: wanjirusPhone, ...body },
    });

  it("the page's request puts a prompt on the phone, and its money in the wallet once it is paid", async () => {
    const asked = await post(wanjiru.key, {});
    assert.equal(asked.status, 202);
    const { id, created_at, mpesa_account_ref } = asked.body;
    assert.deepEqual(asked.body, {
      ...{ id, topup_id: id, status: "pending", provider: "mpesa", amount_minor: 500_000, currency: "KES" },
      ...{ phone_e164: wanjirusPhone, mpesa_account_ref, created_at },
    });
    assert.equal(mpesa_account_ref, await here.accountOf(wanjiru.id));
    await here.push();
    const [prompt] = here.book.prompts;
    assert.equal(prompt?.msisdn, "254722000001");
    assert.equal(prompt.amount, 5000);
    assert.ok(prompt.account.startsWith(mpesa_account_ref) && prompt.account.length <= 12);
    assert.equal((await here.view(wanjiru, id)).status, "pending", "asked is not paid");

    await here.pass(1000);
    await here.run();
    const paid = await here.view(wanjiru, id);
    assert.equal(paid.status, "confirmed");
    assert.equal(paid.provider_reference, here.book.payments[0]?.receipt);
    assert.equal(paid.failure_reason, null);
    assert.equal(await here.balance(wanjiru.id), 500_000);
    const { body } = await here.api.ask("GET", "/v1/wallet/transactions", { key: wanjiru.key });
    assert.deepEqual(
      body.data.map((one: { kind: string; amount_minor: number; reference: string }) => [
        one.kind,
        one.amount_minor,
        one.reference,
      ]),
      [["top_up", 500_000, `mpesa ${paid.provider_reference}`]],
    );
    await here.books();
  });

  it("a top-up that arrives is told by wallet.top_up, with its receipt", async () => {
    const { body: hook } = await here.api.ask("POST", "/v1/webhooks", {
      key: wanjiru.key,
      body: { url: "http://93.184.216.34/hook", events: ["wallet.top_up"] },
    });
    const id = await here.ask(wanjiru);
    await here.pass(1000);
    await here.run();
    const { body } = await here.api.ask("GET", "/v1/webhooks/deliveries", { key: wanjiru.key });
    assert.equal(body.data.length, 1);
    assert.equal(body.data[0].webhook_id, hook.id);
    const told = await here.store.read((tx) => tx.get<{ body: string }>("SELECT body FROM deliveries"));
    const { data } = JSON.parse(told!.body) as { data: Record<string, unknown> };
    assert.match(String(data["transaction_id"]), /^txn_/);
    delete data["transaction_id"];
    assert.deepEqual(data, {
      ...{ topup_id: id, provider: "mpesa", provider_reference: here.book.payments[0]?.receipt },
      ...{ amount_minor: 50_000, balance_minor: 50_000 },
    });
  });

  for (const [amount, code] of [
    [9_900, "range"],
    [15_000_100, "range"],
    [10_050, "whole_shillings"],
    [0, "range"],
    [-50_000, "range"],
  ] as const)
    it(`${amount} cents are no top-up: KES 100 to 150,000 in whole shillings`, async () => {
      const { status, body } = await post(wanjiru.key, { amount_minor: amount });
      assert.equal(status, 422);
      assert.equal(body.error.code, "topups.amount_out_of_range");
      assert.equal(body.error.fields[0].field, "amount_minor");
      assert.equal(body.error.fields[0].code, code);
    });

  it("KES 100 and KES 150,000 are the bounds, and both are taken", async () => {
    assert.equal((await post(wanjiru.key, { amount_minor: 10_000 })).status, 202);
    assert.equal(
      (await post(wanjiru.key, { amount_minor: 15_000_000, phone_e164: "+254722000002" })).status,
      202,
    );
  });

  it("phones are taken however they are written, and only those that M-Pesa has", async () => {
    for (const [written, meant] of [
      ["0722 000 031", "+254722000031"],
      ["+254 110-000-032", "+254110000032"],
      ["0110000033", "+254110000033"],
      ["254722000034", "+254722000034"],
      ["722000035", "+254722000035"],
    ] as const) {
      const { status, body } = await post(wanjiru.key, { phone_e164: written });
      assert.equal(status, 202, written);
      assert.equal(body.phone_e164, meant);
    }
    for (const wrong of [
      ...["+254200000001", "+447700900123", "0722", "+2547220000011", "otieno", ""],
      // Behind a + stands a country, which these have none of, or another.
      ...["+123456789", "+722000001", "+0722000001", "+1 234 567 890", "254 822 000 001", "0822000001"],
    ]) {
      const { status, body } = await post(wanjiru.key, { phone_e164: wrong });
      assert.equal(status, 400, wrong);
      assert.equal(body.error.fields[0].field, "phone_e164");
      if (wrong !== "") assert.equal(body.error.fields[0].code, "kenyan_mobile");
    }
  });

  it("the same Idempotency-Key asks a phone once", async () => {
    const headers = { "idempotency-key": "topup-1" };
    const first = await post(wanjiru.key, {}, headers);
    const again = await post(wanjiru.key, {}, headers);
    assert.equal(again.headers.get("idempotent-replay"), "true");
    assert.deepEqual(again.body, first.body);
    await here.push();
    await here.push();
    assert.equal(here.book.prompts.length, 1);
  });

  it("one prompt is open on a phone at a time, whoever asks, and the next after it", async () => {
    const otieno = await here.api.workspace({ balanceMinor: 0, name: "Otieno", number: "+254200000777" });
    await here.ask(wanjiru);
    const refused = await post(otieno.key, {});
    assert.equal(refused.status, 409);
    assert.equal(refused.body.error.code, "topups.phone_busy");
    const wait = Number(refused.headers.get("retry-after"));
    assert.ok(wait > 30 && wait <= 75, `about a minute, not ${wait} s`);
    await here.pass(1000);
    await here.run();
    assert.equal((await post(otieno.key, {})).status, 202, "the first was paid");
  });

  it("a phone is free again a minute later, even where nothing was heard of its prompt", async () => {
    here.behave(wanjirusPhone, { afterMs: 3_600_000, query: "open" });
    await here.ask(wanjiru);
    here.clock.advance(74_000);
    assert.equal((await post(wanjiru.key, {})).status, 409);
    here.clock.advance(2_000);
    assert.equal((await post(wanjiru.key, {})).status, 202);
  });

  it("two who ask the same phone at once open one prompt on it", async () => {
    const otieno = await here.api.workspace({ balanceMinor: 0, name: "Otieno", number: "+254200000778" });
    const statuses = (
      await Promise.all([post(wanjiru.key, {}), post(otieno.key, {}), post(wanjiru.key, {})])
    ).map(({ status }) => status);
    assert.deepEqual(statuses.sort(), [202, 409, 409]);
    await here.push();
    assert.equal(here.book.prompts.length, 1);
  });

  it("a workspace may have so many prompts sent within an hour", async () => {
    await here.end();
    here = await mpesaWorld({ perHour: 2 });
    wanjiru = await here.api.workspace({ balanceMinor: 0 });
    await here.ask(wanjiru, { phone: "+254722000011" });
    await here.ask(wanjiru, { phone: "+254722000012" });
    const refused = await post(wanjiru.key, { phone_e164: "+254722000013" });
    assert.equal(refused.status, 429);
    assert.equal(refused.body.error.code, "topups.rate_limit");
    assert.ok(Number(refused.headers.get("retry-after")) > 3500);
    here.clock.advance(3_600_000);
    assert.equal((await post(wanjiru.key, { phone_e164: "+254722000013" })).status, 202);
  });

  it("a top-up is its workspace's alone, and needs the wallet's scopes", async () => {
    const id = await here.ask(wanjiru);
    const otieno = await here.api.workspace({ balanceMinor: 0, name: "Otieno", number: "+254200000779" });
    const foreign = await here.api.ask("GET", `/v1/topups/${id}`, { key: otieno.key });
    assert.equal(foreign.status, 404);
    assert.equal(foreign.body.error.code, "topups.not_found");
    assert.deepEqual((await here.api.ask("GET", "/v1/topups", { key: otieno.key })).body.data, []);
    const reader = await here.api.key(wanjiru.id, { scopes: ["wallet.read"] });
    assert.equal((await here.api.ask("GET", `/v1/topups/${id}`, { key: reader })).status, 200);
    assert.equal((await post(reader, {})).status, 403);
    const caller = await here.api.key(wanjiru.id, { scopes: ["calls.read"] });
    assert.equal((await here.api.ask("GET", "/v1/topups", { key: caller })).status, 403);
    assert.equal((await here.api.ask("GET", "/v1/topups/top_none", { key: wanjiru.key })).status, 404);
  });

  it("top-ups are listed newest first, page by page", async () => {
    const asked = [];
    for (const last of [1, 2, 3]) asked.push(await here.ask(wanjiru, { phone: `+25472200002${last}` }));
    const first = await here.api.ask("GET", "/v1/topups?limit=2", { key: wanjiru.key });
    const second = await here.api.ask("GET", `/v1/topups?limit=2&cursor=${first.body.next_cursor}`, {
      key: wanjiru.key,
    });
    const ids = [...first.body.data, ...second.body.data].map((one) => one.id);
    assert.deepEqual(ids, asked.toReversed());
    assert.equal(second.body.next_cursor, null);
  });

  it("a top-up is in the audit log, with who asked", async () => {
    const id = await here.ask(wanjiru);
    const entry = await here.store.read((tx) =>
      tx.get<{ action: string; actorId: string; after: string }>(
        "SELECT action, actor_id, after FROM audit_entries WHERE subject = ?",
        [id],
      ),
    );
    assert.equal(entry?.action, "createTopUp");
    assert.equal(entry.actorId, wanjiru.keyId);
    assert.equal((JSON.parse(entry.after) as { amount_minor: number }).amount_minor, 50_000);
  });

  it("anybody's phone may fund a workspace, and one phone several", async () => {
    const otieno = await here.api.workspace({ balanceMinor: 0, name: "Otieno", number: "+254200000780" });
    for (const [workspace, kes] of [
      [wanjiru, 100],
      [otieno, 200],
    ] as const) {
      await here.ask(workspace, { kes });
      await here.pass(1000);
      await here.run();
    }
    assert.equal(await here.balance(wanjiru.id), 10_000);
    assert.equal(await here.balance(otieno.id), 20_000);
    await here.books();
  });

  it("a payment by Paybill with the workspace's account number is credited, as it was typed", async () => {
    await here.registerUrls();
    const account = await here.accountOf(wanjiru.id);
    await here.book.payBill({ account, amount: "250.00", msisdn: "254733000001" });
    const typed = ` ${account.slice(0, 4).toLowerCase()} ${account.slice(4).replaceAll("0", "o").replaceAll("1", "i")}`;
    await here.book.payBill({ account: typed, amount: "5.00", msisdn: "254733000001" });
    await here.pass(1000);
    await here.run();
    assert.equal(await here.balance(wanjiru.id), 25_500);
    const { body } = await here.api.ask("GET", "/v1/wallet", { key: wanjiru.key });
    assert.equal(body.balance_minor, 25_500);
    await here.books();
  });

  it("where M-Pesa is not set up, top-ups are refused and nothing of Safaricom's is listened to", async () => {
    const { TopUps } = await import("../../../engine/wallet/mpesa/top-ups.ts");
    const { world } = await import("../../api/world.ts");
    const bare = await world({
      topUps: new TopUps({
        clock: here.clock,
        ids: here.ids,
        amounts: null,
        perHour: 0,
        wake: () => undefined,
      }),
    });
    try {
      const somebody = await bare.workspace();
      const { status, body } = await bare.ask("POST", "/v1/topups", {
        key: somebody.key,
        body: { provider: "mpesa", amount_minor: 10_000, currency: "KES", phone_e164: wanjirusPhone },
      });
      assert.equal(status, 503);
      assert.equal(body.error.code, "topups.unavailable");
      const knock = await fetch(`${bare.url}/callbacks/${token}/c2b/confirmation`, {
        method: "POST",
        body: "{}",
      });
      assert.equal(knock.status, 404);
    } finally {
      await bare.end();
    }
  });

  it("the doors open to the secret token alone, and to the addresses that are configured", async () => {
    const body = JSON.stringify({
      TransID: "SKL1FORGED",
      TransAmount: "100.00",
      BusinessShortCode: shortcode,
    });
    const knock = (path: string, headers: Record<string, string> = {}) =>
      fetch(here.api.url + path, { method: "POST", headers, body });
    for (const wrong of ["x", token.slice(0, -1), `${token}0`, token.toUpperCase()]) {
      const answer = await knock(`/callbacks/${wrong}/c2b/confirmation`);
      assert.equal(answer.status, 404);
      assert.doesNotMatch(await answer.text(), /ResultCode/);
    }
    const stored = () =>
      here.store.read((tx) =>
        tx.all<{ body: string; address: string }>("SELECT body, address FROM mpesa_notices"),
      );
    assert.deepEqual(await stored(), []);
    const taken = await knock(`/callbacks/${token}/c2b/confirmation`);
    assert.equal(taken.status, 200);
    assert.deepEqual(await taken.json(), { ResultCode: 0, ResultDesc: "Accepted" });
    assert.deepEqual(await stored(), [{ body, address: "127.0.0.1" }], "as it came, before it is worked off");

    await here.end();
    here = await mpesaWorld({ addresses: ["196.201.214.200"], trustedProxies: 1 });
    const from = (address: string) =>
      knock(`/callbacks/${token}/c2b/confirmation`, { "x-forwarded-for": address });
    assert.equal((await from("10.0.0.7")).status, 404);
    assert.equal(
      (await from("196.201.214.200, 10.0.0.7")).status,
      404,
      "what a stranger writes before the proxy's word",
    );
    assert.equal((await from("196.201.214.200")).status, 200);
    assert.equal((await stored()).length, 1);
  });

  it("a wrong token is told in the log, once a minute at most, and neither token with it", async () => {
    const knock = (path: string) => fetch(here.api.url + path, { method: "POST", body: "{}" });
    const wrong = "0123456789abcdef0123456789abcdef";
    const lines = () => here.said.filter(({ message }) => message.includes("wrong token"));
    for (let times = 0; times < 5; times++) await knock(`/callbacks/${wrong}/c2b/confirmation`);
    assert.deepEqual(
      lines().map(({ level, facts }) => [level, facts]),
      [["warn", { address: "127.0.0.1", count: 1 }]],
    );
    here.clock.advance(60_000);
    await knock(`/callbacks/${wrong}/stk/0123`);
    assert.equal(lines()[1]?.facts["count"], 5, "and how many there were since");
    await knock(`/callbacks/${token}/c2b/confirmation`);
    assert.equal(lines().length, 2);
    const all = JSON.stringify(here.said);
    assert.ok(!all.includes(wrong) && !all.includes(token));
  });

  it("what is sent to the doors is no larger than it has to be, and need not be JSON", async () => {
    const knock = (sent: string | Uint8Array<ArrayBuffer>) =>
      fetch(`${here.api.url}/callbacks/${token}/c2b/confirmation`, { method: "POST", body: sent });
    assert.equal((await knock("x".repeat(70_000))).status, 413);
    for (const junk of [
      "",
      "<html>",
      "null",
      "[]",
      '{"TransID":"\'; DROP TABLE topups"}',
      "\0\0",
      new Uint8Array([255, 0, 254]),
    ])
      assert.equal((await knock(junk)).status, 200);
    await here.run();
    const outcomes = await here.store.read((tx) =>
      tx.all<{ outcome: string }>("SELECT outcome FROM mpesa_notices WHERE due_at_ms IS NULL"),
    );
    assert.deepEqual(new Set(outcomes.map(({ outcome }) => outcome)), new Set(["unreadable"]));
    assert.equal(outcomes.length, 7);
    await here.books();
  });

  it("what was told while the clock was an hour ahead is worked off once it is set right", async () => {
    here.clock.advance(3_600_000);
    const body = JSON.stringify({
      ...{
        TransID: "SKL1AHEAD0",
        TransAmount: "500.00",
        BusinessShortCode: shortcode,
        BillRefNumber: "RENT",
      },
      MSISDN: "254722000001",
    });
    await fetch(here.urls.confirmation, { method: "POST", body });
    here.clock.offsetMs -= 3_600_000;
    await here.mpesa.notices.look();
    const paid = await here.store.read((tx) =>
      tx.all("SELECT id FROM mpesa_payments WHERE receipt = ?", ["SKL1AHEAD0"]),
    );
    assert.equal(paid.length, 1);
    await here.books();
  });

  it("a confirmation that cannot be read is told in the log, without who paid, and stays to be looked at", async () => {
    const body = JSON.stringify({
      TransID: "SKL1UNREAD",
      TransAmount: "five hundred",
      BusinessShortCode: shortcode,
      BillRefNumber: "RENT",
      MSISDN: "254722000001",
    });
    await fetch(here.urls.confirmation, { method: "POST", body });
    await here.run();
    const lines = here.said.filter(({ message }) => message.includes("cannot be read"));
    assert.deepEqual(
      lines.map(({ level, facts: { notice, ...facts } }) => [level, typeof notice, facts]),
      [
        [
          "error",
          "string",
          {
            kind: "confirmation",
            fields: ["TransID", "TransAmount", "BusinessShortCode", "BillRefNumber", "MSISDN"],
            receipt: "SKL1UNREAD",
            phone: "***001",
          },
        ],
      ],
    );
    assert.doesNotMatch(JSON.stringify(here.said), /254722000001/);
    const kept = await here.store.read((tx) => unreadableNotices(tx, 10));
    assert.deepEqual(
      kept.map((notice) => notice.body),
      [body],
    );
  });

  it("text with a NUL in it is taken as any other", async () => {
    const account = await here.accountOf(wanjiru.id);
    const tell = (facts: object) =>
      fetch(here.urls.confirmation, {
        method: "POST",
        body: JSON.stringify({
          ...{ TransID: "SKL1WITH0A", TransAmount: "100.00", BusinessShortCode: shortcode },
          ...{ BillRefNumber: account, MSISDN: "2547\0 *** 001", ...facts },
        }),
      });
    await tell({});
    await tell({ TransID: "SKL1WITH0B", BillRefNumber: "RE\0NT\ud800" });
    await here.run();
    assert.deepEqual(
      (await here.payments()).map(({ receipt, workspaceId }) => [receipt, workspaceId]),
      [
        ["SKL1WITH0A", wanjiru.id],
        ["SKL1WITH0B", null],
      ],
    );
    const open = await here.store.read((tx) => dueNotices(tx, here.clock.nowMs() + 86_400_000, 10));
    assert.deepEqual(open, [], "none is left to be tried again");
    await here.books();
  });

  it("validation knows account and amount, and turns away what nobody could be credited with", async () => {
    const account = await here.accountOf(wanjiru.id);
    const ask = async (facts: object) => {
      const answer = await fetch(here.urls.validation, {
        method: "POST",
        body: JSON.stringify({
          ...{
            TransID: "SKL1VALID0",
            TransAmount: "100.00",
            BusinessShortCode: shortcode,
            BillRefNumber: account,
          },
          ...facts,
        }),
      });
      assert.equal(answer.status, 200);
      return ((await answer.json()) as { ResultCode: string }).ResultCode;
    };
    assert.equal(await ask({}), "0");
    assert.equal(await ask({ BillRefNumber: "SHOP" }), "C2B00012");
    assert.equal(await ask({ TransAmount: "99.00" }), "C2B00013");
    assert.equal(await ask({ TransAmount: "150001.00" }), "C2B00013");
    assert.equal(await ask({ BusinessShortCode: "111111" }), "C2B00015");
    assert.equal(await ask({ TransAmount: "free" }), "C2B00016");
    assert.deepEqual(await here.payments(), [], "to validate is not to credit");
  });
});
