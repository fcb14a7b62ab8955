import { strict as assert } from "node:assert";
import { parse } from "csv-parse/sync";
import { legsOfCall, updateLeg } from "../../engine/store/calls.ts";
import type { CallId, TransactionId } from "../../engine/ids.ts";
import { createSettlement } from "../../engine/metering/settlement.ts";
import { leg, ledger } from "../wallet/books.ts";
import { nairobi, otienosPhone, world, type World } from "./world.ts";

describe("the wallet over HTTP", () => {
  let api: World;
  let wanjiru: Awaited<ReturnType<World["workspace"]>>;
  before(async () => {
    api = await world();
    wanjiru = await api.workspace({ balanceMinor: 50_000 });
  });
  after(() => api.end());

  it("shows what there is, under both names, and what running calls have used of it", async () => {
    const before = await api.ask("GET", "/v1/wallet", { key: wanjiru.key });
    const balance = await api.ask("GET", "/v1/wallet/balance", { key: wanjiru.key });
    const { body: call } = await api.ask("POST", "/v1/calls", {
      key: wanjiru.key,
      body: { from: nairobi, to: otienosPhone },
    });
    await api.store.write(async (tx) => {
      for (const leg of await legsOfCall(tx, call.id as CallId)) {
        await updateLeg(tx, leg.id, {
          status: "answered",
          answeredAtUs: (api.clock.nowMs() - 47_000) * 1000,
        });
      }
    });
    const during = await api.ask("GET", "/v1/wallet", { key: wanjiru.key });

    const { mpesa_account_ref, ...rest } = before.body;
    assert.match(mpesa_account_ref, /^SK[0-9A-Z]{8}$/);
    assert.deepEqual(rest, {
      workspace_id: wanjiru.id,
      currency: "KES",
      balance_minor: 50_000,
      accrued_minor: 0,
      available_minor: 50_000,
      active_calls: 0,
      low_balance_threshold_minor: null,
      alert_emails: [],
      on_zero_balance: "continue",
      tax_pin: null,
      paybill: "400200",
    });
    assert.deepEqual(balance.body, before.body);
    assert.equal(during.body.active_calls, 1);
    assert.ok(during.body.accrued_minor >= 235, "47 s of KES 3.00 a minute");
    assert.equal(during.body.available_minor, during.body.balance_minor - during.body.accrued_minor);
  });

  it("is told who hears of a low balance, field by field, and writes down what it was", async () => {
    const patch = (body: Record<string, unknown>) =>
      api.ask("PATCH", "/v1/wallet", { key: wanjiru.key, body });
    const all = {
      low_balance_threshold_minor: 10_000,
      alert_emails: ["books@wanjiru.example", "otieno@example.com"],
      on_zero_balance: "hangup",
      tax_pin: "P051234567X",
    };
    const first = await patch({ ...all, alert_emails: [...all.alert_emails, "Books@Wanjiru.example "] });
    assert.equal(first.status, 200);
    const { low_balance_threshold_minor, alert_emails, on_zero_balance, tax_pin } = first.body;
    assert.deepEqual({ low_balance_threshold_minor, alert_emails, on_zero_balance, tax_pin }, all);
    const second = await patch({ low_balance_threshold_minor: null });
    assert.deepEqual(second.body, { ...first.body, low_balance_threshold_minor: null });
    assert.deepEqual((await api.ask("GET", "/v1/wallet", { key: wanjiru.key })).body, second.body);
    const [audited] = await api.store.read((tx) =>
      tx.all<{ before: string; after: string }>("SELECT * FROM audit_entries WHERE request_id = ?", [
        second.headers.get("x-request-id"),
      ]),
    );
    assert.deepEqual(JSON.parse(audited!.before), all);
    assert.deepEqual(JSON.parse(audited!.after), { ...all, low_balance_threshold_minor: null });
    await patch({ alert_emails: [], on_zero_balance: "continue", tax_pin: null });
  });

  for (const [body, field] of [
    [{ low_balance_threshold_minor: -1 }, "low_balance_threshold_minor"],
    [{ low_balance_threshold_minor: 0.5 }, "low_balance_threshold_minor"],
    [{ low_balance_threshold_minor: 1e15 }, "low_balance_threshold_minor"],
    [{ alert_emails: ["books@wanjiru.example", "nobody"] }, "alert_emails[1]"],
    [{ alert_emails: ["a@b.example\r\nBcc: mallory@example.com"] }, "alert_emails[0]"],
    [{ alert_emails: Array.from({ length: 11 }, (_, index) => `p${index}@example.com`) }, "alert_emails"],
    [{ on_zero_balance: "stop" }, "on_zero_balance"],
    [{ tax_pin: "051234567X" }, "tax_pin"],
  ] as const)
    it(`refuses ${JSON.stringify(body).slice(0, 60)} by its field`, async () => {
      const { status, body: refusal } = await api.ask("PATCH", "/v1/wallet", { key: wanjiru.key, body });
      assert.deepEqual([status, refusal.error.fields[0].field], [400, field]);
    });

  it("lists what moved it, newest first, page by page", async () => {
    for (const amountMinor of [100, 200]) {
      const createdAtMs = api.clock.nowMs();
      const credit = { workspaceId: wanjiru.id, amountMinor, description: "Thanks", createdAtMs };
      await api.store.write((tx) =>
        api.wallet.credit(tx, { ...credit, reference: `thanks ${amountMinor}`, kind: "promotion" }),
      );
    }

    const first = await api.ask("GET", "/v1/wallet/transactions?limit=2", { key: wanjiru.key });
    const second = await api.ask("GET", `/v1/wallet/transactions?limit=2&cursor=${first.body.next_cursor}`, {
      key: wanjiru.key,
    });

    const amounts = [...first.body.data, ...second.body.data].map((one) => [
      one.amount_minor,
      one.balance_after_minor,
    ]);
    assert.deepEqual(amounts, [
      [200, 50_300],
      [100, 50_100],
      [50_000, 50_000],
    ]);
    assert.equal(second.body.next_cursor, null);
  });

  describe("its transactions of one kind, or of some days", () => {
    let amina: Awaited<ReturnType<World["workspace"]>>;
    const day = 24 * 3_600_000;
    before(async () => {
      amina = await api.workspace({ name: "Amina", number: "+254200000077", balanceMinor: 0 });
      const nowMs = api.clock.nowMs();
      const facts: [daysAgo: number, kind: "credit" | "promotion", amount: number, description: string][] = [
        [400, "credit", 1, "Long ago"],
        [20, "credit", 20, '=HYPERLINK("https://mallory.example","Click")'],
        [10, "promotion", 300, 'Karibu, "Amina"'],
        [1, "credit", 4_000, "-2+3"],
      ];
      for (const [daysAgo, kind, amountMinor, description] of facts)
        await api.store.write((tx) =>
          api.wallet.credit(tx, {
            ...{ workspaceId: amina.id, amountMinor, kind, description },
            ...{ reference: `amina ${amountMinor}`, createdAtMs: nowMs - daysAgo * day },
          }),
        );
    });

    const list = async (query: string) => {
      const { body } = await api.ask("GET", `/v1/wallet/transactions?${query}`, { key: amina.key });
      return (body.data as { amount_minor: number }[]).map((one) => one.amount_minor);
    };
    const ago = (days: number) => new Date(api.clock.nowMs() - days * day).toISOString();

    it("are listed by their filters, together with pages", async () => {
      assert.deepEqual(await list(""), [4_000, 300, 20, 1]);
      assert.deepEqual(await list("kind=credit"), [4_000, 20, 1]);
      assert.deepEqual(await list("kind=promotion,top_up"), [300]);
      assert.deepEqual(await list(`from=${ago(15)}`), [4_000, 300]);
      assert.deepEqual(await list(`from=${ago(30)}&to=${ago(5)}&kind=credit`), [20]);
      const first = await api.ask("GET", "/v1/wallet/transactions?kind=credit&limit=2", { key: amina.key });
      const cursor = String(first.body.next_cursor);
      assert.deepEqual(await list(`kind=credit&limit=2&cursor=${cursor}`), [1]);
      const wrong = await api.ask("GET", "/v1/wallet/transactions?kind=gift", { key: amina.key });
      assert.equal(wrong.status, 400);
    });

    it("are exported as CSV, oldest first, in UTC and in Nairobi's time, and no text of them is a formula", async () => {
      const { status, headers, text } = await api.ask("GET", "/v1/wallet/transactions/export.csv", {
        key: amina.key,
      });
      assert.equal(status, 200);
      assert.match(headers.get("content-type") ?? "", /^text\/csv; charset=utf-8/);
      assert.match(headers.get("content-disposition") ?? "", /filename="transactions\.csv"/);
      const rows = parse<Record<string, string>>(text, { columns: true });
      assert.deepEqual(
        rows.map((row) => [
          row["kind"],
          row["description"],
          row["reference"],
          row["amount_kes"],
          row["balance_after_kes"],
        ]),
        [
          ["credit", `'=HYPERLINK("https://mallory.example","Click")`, "credit amina 20", "0.20", "0.21"],
          ["promotion", 'Karibu, "Amina"', "credit amina 300", "3.00", "3.21"],
          ["credit", "'-2+3", "credit amina 4000", "40.00", "43.21"],
        ],
      );
      for (const row of rows) {
        assert.match(row["created_at_nairobi"]!, /\+03:00$/);
        const utcMs = Math.floor(Date.parse(row["created_at"]!) / 1000) * 1000;
        assert.equal(Date.parse(row["created_at_nairobi"]!), utcMs);
      }
      const others = await api.ask("GET", "/v1/wallet/transactions/export.csv", { key: wanjiru.key });
      assert.doesNotMatch(others.text, /amina/);
    });

    it("are exported for at most 366 days at a time", async () => {
      const { status, body } = await api.ask("GET", `/v1/wallet/transactions/export.csv?from=${ago(367)}`, {
        key: amina.key,
      });
      assert.deepEqual([status, body.error.fields[0].field], [400, "from"]);
      const long = await api.ask("GET", `/v1/wallet/transactions/export.csv?from=${ago(410)}&to=${ago(60)}`, {
        key: amina.key,
      });
      assert.match(long.text, /Long ago/);
    });

    it("are exported whole, over more than a page, in the order in which the balance moved", async () => {
      const many = await api.workspace({ name: "Otieno", number: "+254200000078", balanceMinor: 0 });
      await api.store.write(async (tx) => {
        for (let index = 1; index <= 2_500; index++)
          await api.wallet.credit(tx, {
            ...{ workspaceId: many.id, amountMinor: 1, kind: "credit", description: "A cent" },
            ...{ reference: `otieno ${index}`, createdAtMs: api.clock.nowMs() - 60_000 + index },
          });
      });
      const { text } = await api.ask("GET", "/v1/wallet/transactions/export.csv", { key: many.key });
      const balances = parse<Record<string, string>>(text, { columns: true }).map(
        (row) => row["balance_after_kes"],
      );
      assert.equal(balances.length, 2_500);
      assert.deepEqual(
        balances,
        Array.from({ length: 2_500 }, (_, index) => ((index + 1) / 100).toFixed(2)),
      );
    }).timeout(20_000);
  });

  describe("its monthly statements", () => {
    let kamau: Awaited<ReturnType<World["workspace"]>>;
    before(async () => {
      kamau = await api.workspace({ name: "Kamau", number: "+254200000079", balanceMinor: 0 });
      const createdAtMs = api.clock.nowMs() - 40 * 24 * 3_600_000;
      for (const [amountMinor, atMs] of [
        [500, createdAtMs],
        [70, api.clock.nowMs()],
      ] as const)
        await api.store.write((tx) =>
          api.wallet.credit(tx, {
            ...{ workspaceId: kamau.id, amountMinor, kind: "credit", description: "Karibu" },
            ...{ reference: `kamau ${amountMinor}`, createdAtMs: atMs },
          }),
        );
    });
    const ask = (path: string, headers: Record<string, string> = {}) =>
      api.ask("GET", `/v1/wallet/statements${path}`, { key: kamau.key, headers });

    it("are listed, the running one as provisional, and shown as JSON", async () => {
      const { body } = await ask("");
      const months = body.data as { month: string; status: string }[];
      assert.ok(months.length === 2 || months.length === 3, "of forty days");
      const [running, before] = [months[0]!, months.at(-1)!];
      assert.equal(running.status, "provisional");
      assert.equal(before.status, "final");
      const now = (await ask(`/${running.month}`)).body;
      assert.deepEqual(
        [now.status, now.opening_balance_minor, now.closing_balance_minor],
        ["provisional", 500, 570],
      );
      assert.match(now.from, /-01T00:00:00\+03:00$/);
      const then = (await ask(`/${before.month}`)).body;
      assert.deepEqual(
        [then.status, then.opening_balance_minor, then.closing_balance_minor],
        ["final", 0, 500],
      );
      assert.deepEqual(then.documents, []);
    });

    it("come as CSV by Accept, and by their name", async () => {
      const [{ month }] = (await ask("")).body.data as [{ month: string }];
      const byName = await ask(`/${month}.csv`);
      const byAccept = await ask(`/${month}`, { accept: "text/csv" });
      assert.match(byName.headers.get("content-type") ?? "", /^text\/csv/);
      assert.equal(byAccept.text, byName.text);
      const rows = parse<Record<string, string>>(byName.text, { columns: true });
      assert.deepEqual(
        rows.map((row) => [row["kind"], row["amount_kes"], row["balance_kes"]]),
        [
          ["opening_balance", "", "5.00"],
          ["credit", "0.70", ""],
          ["closing_balance", "", "5.70"],
        ],
      );
    });

    it("say in CSV what they say in JSON: also which way calls went, and which month a correction is of", async () => {
      const njeri = await api.workspace({ name: "Njeri", number: "+254200000081", balanceMinor: 0 });
      const settlement = createSettlement({ ledger });
      const called = (endedAtMs: number, rateMicroKesPerMinute = 3_000_000) =>
        api.store.write(async (tx) => {
          const answeredAtUs = (endedAtMs - 60_000) * 1000;
          const made = await leg(tx, {
            ...{ workspaceId: njeri.id, answeredAtUs, endedAtUs: endedAtMs * 1000, rateMicroKesPerMinute },
          });
          await settlement.settleLeg(tx, made, endedAtMs);
          const reference = `${made.legId} settled`;
          return tx.get<{ id: TransactionId }>("SELECT id FROM ledger_transactions WHERE reference = ?", [
            reference,
          ]);
        });
      const august = await called(Date.UTC(2026, 7, 10));
      await called(Date.UTC(2026, 8, 10), 55_050);
      await api.store.write((tx) =>
        ledger.correct(tx, {
          ...{ corrects: august!.id, description: "A wrong charge", createdAtMs: Date.UTC(2026, 8, 11) },
        }),
      );
      const read = (path: string) => api.ask("GET", `/v1/wallet/statements${path}`, { key: njeri.key });
      const { lines } = (await read("/2026-09")).body as { lines: Record<string, unknown>[] };
      assert.deepEqual(
        lines.map((line) => [line["kind"], line["direction"], line["country"], line["corrects_month"]]),
        [
          ["call", "outbound", "KE", null],
          ["correction", "outbound", "KE", "2026-08"],
        ],
      );
      const rows = parse<Record<string, string>>((await read("/2026-09.csv")).text, { columns: true });
      for (const [index, line] of lines.entries())
        for (const name of ["kind", "description", "direction", "country", "corrects_month", "unit"])
          assert.equal(rows[index + 1]![name], line[name] ?? "", name);
      assert.deepEqual(
        lines.map((line) => line["rate_per_minute_minor"]),
        [5.505, 300],
      );
      assert.deepEqual(
        rows.slice(1, -1).map((row) => row["rate_per_minute_kes"]),
        ["0.05505", "3.0000"],
      );
    });

    it("are not there for months without a wallet, months to come, and what is no month", async () => {
      for (const month of ["2001-01", "9999-12"]) {
        const { status, body } = await ask(`/${month}`);
        assert.deepEqual([status, body.error.code], [404, "wallet.statement_not_found"], month);
      }
      for (const month of ["2026-13", "2026-7", "July", "2026-07.pdf"]) {
        const { status, body } = await ask(`/${month}`);
        assert.deepEqual([status, body.error.fields[0].field], [400, "month"], month);
      }
      const nobody = await api.workspace({ name: "Nobody", number: "+254200000080", balanceMinor: 0 });
      const list = await api.ask("GET", "/v1/wallet/statements", { key: nobody.key });
      assert.deepEqual(list.body.data, []);
    });
  });

  it("the public prices are the product page's, to the byte", async () => {
    const { status, headers, text } = await api.ask("GET", "/v1/public/pricing");

    assert.equal(status, 200);
    assert.match(
      text,
      /^\{"currency":"KES","number_monthly_kes":100,"outbound_per_min_kes":3\.00,"inbound_per_min_kes":0\.00,"recording_free_gb":5,"updated_at":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"\}$/,
    );
    assert.equal(headers.get("access-control-allow-origin"), "*");
    assert.match(headers.get("cache-control") ?? "", /^public, max-age=\d+$/);
    assert.match(headers.get("content-type") ?? "", /^application\/json/);
  });
});
