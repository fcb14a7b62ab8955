import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readConfig } from "../../cli/config.ts";
import type { Demo } from "../../cli/demo-workspace.ts";
import { checkDaraja } from "../../cli/doctor/daraja.ts";
import { openStore } from "../../cli/open-store.ts";
import { systemClock } from "../../engine/clock.ts";
import { systemIds } from "../../engine/ids.ts";
import { pays } from "../../engine/simulator/daraja/behaviours.ts";
import { startStandIn, type StandIn } from "../../engine/simulator/daraja/stand-in.ts";
import { Customer } from "../world/customer.ts";
import { freePort } from "../peers/free-ports.ts";
import { startSautikit, type Child } from "../peers/child.ts";
import { eventually } from "../peers/waiting.ts";
import { sautikit, toldLines } from "./sautikit.ts";

const shortcode = "600999";
const settings = { consumerKey: "key", consumerSecret: "secret", shortcode, passkey: "pass" };
const phone = "+254722000001";

describe("M-Pesa from the command line", function () {
  this.timeout(60_000);
  let folder: string;
  let standIn: StandIn;
  let env: Record<string, string>;
  let closeSlow: (() => void) | undefined;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "sautikit-mpesa-"));
    standIn = await startStandIn({ clock: systemClock, ids: systemIds(systemClock), settings });
    env = {
      DATA_DIR: join(folder, "data"),
      PORT: String(await freePort()),
      DARAJA_URL: standIn.url,
      DARAJA_CONSUMER_KEY: settings.consumerKey,
      DARAJA_CONSUMER_SECRET: settings.consumerSecret,
      DARAJA_SHORTCODE: shortcode,
      DARAJA_PASSKEY: settings.passkey,
    };
  });
  afterEach(async () => {
    closeSlow?.();
    closeSlow = undefined;
    await standIn.close();
    await rm(folder, { recursive: true, force: true });
  });

  const run = (...args: string[]) => sautikit(args, env);
  const told = (...args: string[]) => toldLines(args, env);
  const start = (more: Record<string, string> = {}) =>
    startSautikit(["start"], {
      folder,
      env: { ...env, ...more, LOG_LEVEL: "warn" },
    });
  async function customer(ready: Record<string, unknown>) {
    const demo = JSON.parse(await readFile(join(folder, "data", "demo.json"), "utf8")) as Demo;
    return Object.assign(new Customer(String(ready["base_url"]), demo.api_key), {
      workspace: demo.workspace_id,
    });
  }
  type Here = Awaited<ReturnType<typeof customer>>;
  const topUp = async (here: Here, kes = 500) => {
    const body = { provider: "mpesa", amount_minor: kes * 100, currency: "KES", phone_e164: phone };
    const asked = await here.ask("POST", "/v1/topups", { body });
    assert.equal(asked.status, 202, JSON.stringify(asked.body));
    return String(asked.body.id);
  };
  const until = (here: Here, id: string, status: string) =>
    eventually(
      `the top-up, ${status}`,
      async () => {
        const { body } = await here.ask("GET", `/v1/topups/${id}`);
        return body.status === status ? body : undefined;
      },
      { withinMs: 20_000, everyMs: 100 },
    );

  it("a bare machine has a stand-in of its own: a top-up and a payment by Paybill arrive within seconds", async () => {
    delete env["DARAJA_URL"];
    const { child, ready } = await start();
    try {
      const here = await customer(ready);
      const { body: before } = await here.ask("GET", "/v1/wallet");
      assert.equal(before.paybill, shortcode);
      const startedMs = Date.now();
      const confirmed = await until(here, await topUp(here), "confirmed");
      assert.ok(Date.now() - startedMs < 10_000);
      assert.match(String(confirmed.provider_reference), /^S[0-9A-F]{9}$/);
      const paid = await fetch(`${String(ready["daraja_control"])}/payments`, {
        method: "POST",
        body: JSON.stringify({ account: before.mpesa_account_ref, amount: "250.00" }),
      });
      assert.equal(paid.status, 201);
      await eventually("both in the wallet", async () => {
        const { body } = await here.ask("GET", "/v1/wallet");
        return body.balance_minor === Number(before.balance_minor) + 75_000 ? true : undefined;
      });
      await child.stop();
      const verified = await run("ledger", "verify");
      assert.equal(verified.code, 0, verified.stdout);
    } finally {
      await child.stop();
    }
  });

  it("killed between sending and the answer, it neither asks the phone again nor loses the money", async () => {
    standIn.book.behaviours.set(phone, { ...pays, push: "accept", afterMs: 1500 });
    // The answer to the push is held up until the one who waits for it is dead.
    const { child, ready } = await start({ DARAJA_URL: await slow(standIn.url) });
    let second: { child: Child; ready: Record<string, unknown> } | undefined;
    try {
      const here = await customer(ready);
      const id = await topUp(here);
      await eventually("the prompt", () => (standIn.book.prompts.length > 0 ? true : undefined));
      child.kill("SIGKILL");
      await child.exited();
      second = await start();
      const confirmed = await until(await customer(second.ready), id, "confirmed");
      assert.equal(confirmed.provider_reference, standIn.book.payments[0]?.receipt);
      assert.equal(standIn.book.prompts.length, 1, "one prompt rang");
      await second.child.stop();
      const verified = await run("ledger", "verify");
      assert.equal(verified.code, 0, verified.stdout);
    } finally {
      await child.stop();
      await second?.child.stop();
    }
  });

  it("killed with callbacks stored and not worked off, the next start credits them", async () => {
    const first = await start();
    let second: typeof first | undefined;
    try {
      const here = await customer(first.ready);
      const { body: before } = await here.ask("GET", "/v1/wallet");
      await told("mpesa", "register-urls");
      const amounts = Array.from({ length: 30 }, (_, index) => `${100 + index}.00`);
      const paying = amounts.map((amount) =>
        standIn.book.payBill({ account: String(before.mpesa_account_ref), amount, msisdn: "254733000001" }),
      );
      await eventually(
        "some of them told",
        () => (standIn.book.deliveries.filter(({ status }) => status === 200).length > 5 ? true : undefined),
        { everyMs: 1 },
      );
      first.child.kill("SIGKILL");
      await first.child.exited();
      await Promise.all(paying);
      second = await start();
      const again = await customer(second.ready);
      const due =
        Number(before.balance_minor) + amounts.reduce((sum, amount) => sum + Number(amount) * 100, 0);
      await eventually("all of them", async () => {
        const { body } = await again.ask("GET", "/v1/wallet");
        return body.balance_minor === due ? true : undefined;
      });
      await second.child.stop();
      const verified = await run("ledger", "verify");
      assert.equal(verified.code, 0, verified.stdout);
    } finally {
      await first.child.stop();
      await second?.child.stop();
    }
  });

  it("an operator finds a receipt, lists suspense, and assigns a payment once, on the record", async () => {
    const [made] = await told("workspace", "create", "Wanjiru's kiosk");
    const workspace = String(made?.["workspace_id"]);
    await standIn.book.payBill({ account: "RENT", amount: "1200.00", msisdn: "254733000001" });
    const { receipt } = standIn.book.payments[0]!;
    assert.deepEqual(await told("suspense", "list"), []);
    const [found] = await told("topup", "find", receipt.toLowerCase());
    assert.deepEqual(
      [found?.["where"], found?.["amount_minor"], found?.["suspense_reason"], found?.["told_by"]],
      ["suspense", 120_000, "unknown_account", "pull"],
    );
    const [listed] = await told("suspense", "list");
    assert.deepEqual(listed, found);
    const payment = String(found?.["payment_id"]);
    const [assigned] = await told("suspense", "assign", payment, workspace);
    assert.deepEqual([assigned?.["where"], assigned?.["workspace_id"]], ["wallet", workspace]);
    assert.deepEqual(await told("suspense", "list"), []);
    const again = await run("suspense", "assign", payment, workspace);
    assert.equal(again.code, 1);
    assert.match(again.stderr, /is in the wallet of ws_\w+ already\. Nothing was done/);
    const verified = await run("ledger", "verify");
    assert.equal(verified.code, 0, verified.stdout);

    const store = await openStore(readConfig({ DATA_DIR: env["DATA_DIR"] }), { clock: systemClock });
    const entries = await store.read((tx) =>
      tx.all<{ actorKind: string; action: string; before: string }>(
        "SELECT actor_kind, action, before FROM audit_entries WHERE action <> 'workspace create'",
      ),
    );
    await store.close();
    assert.deepEqual(
      entries.map(({ actorKind, action }) => [actorKind, action]),
      [["operator", "suspense assign"]],
    );
    assert.equal((JSON.parse(entries[0]!.before) as { where: string }).where, "suspense");
  });

  it("an old receipt, which the list has no more, is asked about by itself", async () => {
    Object.assign(env, {
      DARAJA_PULL: "no",
      DARAJA_INITIATOR: "sautikit",
      DARAJA_SECURITY_CREDENTIAL: "c2VhbGVk",
    });
    const { child } = await start();
    try {
      await standIn.book.payBill({ account: "RENT", amount: "1200.00", msisdn: "254733000001" });
      const { receipt } = standIn.book.payments[0]!;
      const asked = await run("topup", "find", receipt);
      assert.equal(asked.code, 1);
      assert.match(asked.stderr, /Safaricom was asked about it: look again in a minute/);
      const found = await eventually("the payment", async () => {
        const { code, stdout } = await run("topup", "find", receipt);
        return code === 0 ? (JSON.parse(stdout) as Record<string, unknown>) : undefined;
      });
      assert.deepEqual(
        [found["where"], found["amount_minor"], found["told_by"]],
        ["suspense", 120_000, "status"],
      );
    } finally {
      await child.stop();
    }
  });

  it("an assignment to another workspace than was meant tells it nothing of the first", async () => {
    const ids: string[] = [];
    for (const name of ["Wanjiru", "Otieno"])
      ids.push(String((await told("workspace", "create", name))[0]?.["workspace_id"]));
    const [wanjiru, otieno] = ids;
    const store = await openStore(readConfig({ DATA_DIR: env["DATA_DIR"] }), { clock: systemClock });
    try {
      const id = systemIds(systemClock).next("pay");
      await store.write((tx) =>
        tx.run(
          `INSERT INTO mpesa_payments (id, receipt, amount_minor, source, bill_reference, phone, suspense_reason,
             meant_for_id, created_at_ms) VALUES (?, 'SKL1MEANT0', 50000, 'c2b', 'SKWANJIRU0', '254722000001', 'unverified', ?, 0)`,
          [id, wanjiru!],
        ),
      );
      await told("suspense", "assign", id, otieno!);
      const entry = await store.read((tx) =>
        tx.get<{ workspaceId: string; before: string; after: string }>(
          "SELECT workspace_id, before, after FROM audit_entries WHERE action = 'suspense assign'",
        ),
      );
      assert.equal(entry?.workspaceId, otieno);
      const seen = `${entry?.before} ${entry?.after}`;
      assert.match(seen, /SKL1MEANT0/);
      for (const theirs of [wanjiru!, "SKWANJIRU0", "254722000001"])
        assert.ok(!seen.includes(theirs), theirs);
    } finally {
      await store.close();
    }
  });

  it("stops in time though Daraja hangs, and the push that it has not answered is unknown", async () => {
    const { child, ready } = await start({ DARAJA_URL: await slow(standIn.url) });
    try {
      standIn.book.behaviours.set(phone, { ...pays, callbacks: 0 });
      const here = await customer(ready);
      const id = await topUp(here);
      await eventually("the prompt", () => (standIn.book.prompts.length > 0 ? true : undefined));
      const stoppedMs = performance.now();
      child.kill("SIGTERM");
      const { code } = await child.exited();
      const tookMs = Math.round(performance.now() - stoppedMs);
      assert.equal(code, 0);
      assert.ok(tookMs < 7_500, `${tookMs} ms, where 8 s is when what does not stop is cut off`);
      const store = await openStore(readConfig({ DATA_DIR: env["DATA_DIR"] }), { clock: systemClock });
      const row = await store.read((tx) =>
        tx.get<{ state: string; sentAtMs: number | null }>(
          "SELECT state, sent_at_ms FROM topups WHERE id = ?",
          [id],
        ),
      );
      await store.close();
      assert.equal(row?.state, "unknown");
      assert.notEqual(row.sentAtMs, null);
    } finally {
      await child.stop();
    }
  });

  it("what Safaricom told and nobody can read is listed, as it came", async () => {
    const { child } = await start();
    try {
      await told("mpesa", "register-urls");
      const body = '{"TransID":"SKL1UNREAD","TransAmount":"free"}';
      const sent = await fetch(standIn.book.urls!.confirmation, { method: "POST", body });
      assert.equal(sent.status, 200);
      const [listed] = await eventually("the list", async () => {
        const lines = await told("mpesa", "unreadable");
        return lines.length > 0 ? lines : undefined;
      });
      assert.deepEqual([listed?.["kind"], listed?.["body"]], ["confirmation", body]);
      assert.match(child.output(), /cannot be read.*mpesa unreadable/);
    } finally {
      await child.stop();
    }
  });

  it("refuse what they do not know", async () => {
    for (const [says, ...args] of [
      [/No payment with the receipt SKL1ABCDEF has come/, "topup", "find", "SKL1ABCDEF"],
      [/topup find RECEIPT/, "topup", "find", "'; DROP"],
      [/is not a payment's id/, "suspense", "assign", "RENT", "ws_1"],
      [/is not a workspace id/, "suspense", "assign", "pay_01m8804jzshqmazxfz36pa688e", "Wanjiru"],
      [/one word too many/, "suspense", "list", "all"],
    ] as const) {
      const { code, stderr } = await run(...args);
      assert.equal(code, 1);
      assert.match(stderr, says);
    }
  });

  it("tells Safaricom where to tell of payments, without a word that it forbids", async () => {
    const [answered] = await told("mpesa", "register-urls");
    assert.equal((answered?.["answer"] as Record<string, unknown>)["ResponseCode"], "0");
    assert.match(
      String(standIn.book.urls?.confirmation),
      /^http:\/\/127\.0\.0\.1:\d+\/callbacks\/[0-9a-f]{48}\/c2b\/confirmation$/,
    );
    env["PUBLIC_URL"] = "https://mpesa.example.com";
    const { code, stderr } = await run("mpesa", "register-urls");
    assert.equal(code, 1);
    assert.match(stderr, /PUBLIC_URL has "mpesa" in it/);
  });

  describe("doctor", () => {
    it("says that Daraja gives tokens, and what to do where it does not", async () => {
      const well = await run("doctor");
      assert.doesNotMatch(well.stdout, /BROKEN/);
      assert.match(well.stdout, /^ok {4} M-Pesa: http:\/\/127\.0\.0\.1:\d+ gives tokens for 600999$/m);
      env["DARAJA_CONSUMER_SECRET"] = "mfalme";
      const wrong = await run("doctor");
      assert.equal(wrong.code, 1);
      assert.match(wrong.stdout, /^BROKEN M-Pesa: .* gives no token: .*does not know the consumer key/m);
      assert.match(wrong.stdout, /Take DARAJA_CONSUMER_KEY and DARAJA_CONSUMER_SECRET/);
      assert.doesNotMatch(wrong.stdout + wrong.stderr, /mfalme/);
    });

    for (const [name, wrong, says] of [
      ["DARAJA_PASSKEY", "mfalme", /^BROKEN M-Pesa: .* refuses the passkey of 600999: .*Wrong credentials/m],
      ["DARAJA_SHORTCODE", "600998", /^BROKEN M-Pesa: .* does not know the shortcode 600998: .*Merchant/m],
    ] as const)
      it(`says that ${name} is wrong, which tokens do not show`, async () => {
        env[name] = wrong;
        const { code, stdout } = await run("doctor");
        assert.equal(code, 1);
        assert.match(stdout, says);
        assert.match(stdout, new RegExp(name));
        assert.doesNotMatch(stdout, /mfalme/);
      });

    it("says that nobody is there, that there are no top-ups, and that it is the stand-in", async () => {
      const config = (more: Record<string, string>) => readConfig({ ...env, ...more });
      const gone = await checkDaraja(
        config({ DARAJA_URL: `http://127.0.0.1:${await freePort()}` }),
        systemClock,
      );
      assert.equal(gone.verdict, "broken");
      assert.match(gone.remedy!, /may connect to that host/);
      const none = await checkDaraja(
        config({ DARAJA_URL: "", FREESWITCH_URLS: "freeswitch://:pw@127.0.0.1" }),
        systemClock,
      );
      assert.match(none.detail, /no top-ups/);
      const bare = await checkDaraja(config({ DARAJA_URL: "" }), systemClock);
      assert.match(bare.detail, /stand-in/);
    });
  });

  /** Passes everything on, but no answer to a push. */
  async function slow(url: string): Promise<string> {
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const body = Buffer.concat(chunks).toString();
        const { authorization = "" } = request.headers;
        void fetch(url + String(request.url), {
          method: request.method ?? "GET",
          headers: { authorization, "content-type": "application/json" },
          ...(body === "" ? {} : { body }),
        }).then(async (answer) => {
          const text = await answer.text();
          if (request.url?.includes("stkpush/v1") === true) return;
          response.writeHead(answer.status, { "content-type": "application/json" }).end(text);
        });
      });
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    closeSlow = () => {
      server.closeAllConnections();
      server.close();
    };
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }
});
