import { strict as assert } from "node:assert";
import { openLedger } from "../../cli/open-ledger.ts";
import { systemClock } from "../../engine/clock.ts";
import type { WorkspaceId } from "../../engine/ids.ts";
import { insertMember, upsertUser } from "../../engine/store/members.ts";
import type { Store } from "../../engine/store/store.ts";
import type { Ledger } from "../../engine/wallet/ledger.ts";
import { changeWallet } from "../../engine/wallet/wallet.ts";
import { PostOffice } from "../mail/post-office.ts";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import { eventually } from "../peers/waiting.ts";
import { Receiver } from "../webhooks/receiver.ts";
import { sautikit } from "../cli/sautikit.ts";
import { nairobi, TestWorld } from "../world/world.ts";
import { ids, ledger as quietLedger, openBooks, workspace, type Books } from "./books.ts";

const threshold = 1_000;

interface Told {
  kind: string;
  data: Record<string, unknown>;
}

describe("a wallet's alerts", () => {
  let books: Books;
  let store: Store;
  let ledger: Ledger;
  let wanjiru: WorkspaceId;
  before(async () => {
    books = await openBooks();
    store = books.store;
    ledger = openLedger({ clock: systemClock, ids, changed: () => undefined, paybill: "400200" });
  });
  after(() => books.close());
  beforeEach(async () => {
    wanjiru = await store.write(async (tx) => {
      const id = await workspace(tx);
      const [endpoint, url] = [ids.next("wh"), "https://wanjiru.example/hook"];
      await tx.run(
        `INSERT INTO webhook_endpoints (id, workspace_id, url, events, signing_secret, created_at_ms, updated_at_ms)
         VALUES (?, ?, ?, '["wallet.low_balance","wallet.exhausted"]', 'sealed', 0, 0)`,
        [endpoint, id, url],
      );
      const choices = { lowBalanceThresholdMinor: threshold, alertEmails: ["books@wanjiru.example"] };
      await changeWallet(tx, id, { ...choices, onZeroBalance: undefined, taxPin: undefined });
      return id;
    });
  });

  const move = (amountMinor: number) =>
    store.write((tx) =>
      ledger.post(tx, {
        reference: ids.next("txn"),
        kind: amountMinor > 0 ? "credit" : "storage",
        description: "Moved",
        workspaceId: wanjiru,
        createdAtMs: systemClock.nowMs(),
        entries: [
          { account: { kind: "wallet", workspaceId: wanjiru }, amountMinor },
          { account: { kind: "adjustments" }, amountMinor: -amountMinor },
        ],
      }),
    );
  const told = async () => {
    const rows = await store.read((tx) =>
      tx.all<{ body: string }>("SELECT body FROM deliveries WHERE workspace_id = ? ORDER BY id", [wanjiru]),
    );
    return rows.map(({ body }) => {
      const { kind, data } = JSON.parse(body) as Told;
      return [kind, data["balance_minor"]];
    });
  };
  const mails = () =>
    store.read((tx) =>
      tx.all<{ recipient: string; subject: string; body: string }>(
        "SELECT recipient, subject, body FROM mails WHERE workspace_id = ? ORDER BY id",
        [wanjiru],
      ),
    );

  // Each posting in turn, and what is told by then.
  const cases: [name: string, postings: number[], told: [kind: string, balance: number][]][] = [
    ["nothing is told above the threshold, nor at it", [5_000, -4_000], []],
    ["a fall below the threshold is told", [5_000, -4_001], [["wallet.low_balance", 999]]],
    ["it is told once, however often it falls on", [5_000, -4_001, -1, -1], [["wallet.low_balance", 999]]],
    [
      "it is told again after the balance was back at the threshold",
      [5_000, -4_500, 500, -1, 1, -1],
      [
        ["wallet.low_balance", 500],
        ["wallet.low_balance", 999],
        ["wallet.low_balance", 999],
      ],
    ],
    [
      "a top-up that stays below is no reason to tell it again",
      [5_000, -4_500, 100, -50],
      [["wallet.low_balance", 500]],
    ],
    ["zero is the end of the money, and told once", [900, -900, -5, -5], [["wallet.exhausted", 0]]],
    [
      "a fall through both tells both",
      [5_000, -5_005],
      [
        ["wallet.low_balance", -5],
        ["wallet.exhausted", -5],
      ],
    ],
    [
      "money that is used up again is told again, though it never reached the threshold",
      [10, -10, 20, -30],
      [
        ["wallet.exhausted", 0],
        ["wallet.exhausted", -10],
      ],
    ],
  ];
  for (const [name, postings, expected] of cases)
    it(name, async () => {
      for (const amountMinor of postings) await move(amountMinor);
      assert.deepEqual(await told(), expected);
      assert.equal((await mails()).length, expected.length, "one mail each");
    });

  it("are not told of a posting that was undone", async () => {
    await move(5_000);
    const undone = store.write(async (tx) => {
      await ledger.post(tx, {
        ...{ reference: ids.next("txn"), kind: "storage", description: "Moved", workspaceId: wanjiru },
        createdAtMs: systemClock.nowMs(),
        entries: [
          { account: { kind: "wallet", workspaceId: wanjiru }, amountMinor: -4_500 },
          { account: { kind: "adjustments" }, amountMinor: 4_500 },
        ],
      });
      throw new Error("undone");
    });
    await assert.rejects(undone, /undone/);
    assert.deepEqual([await told(), await mails()], [[], []]);
  });

  it("are told once where two postings race across the threshold", async () => {
    await move(5_000);
    await Promise.all([move(-3_000), move(-1_500), move(-100)]);
    assert.equal((await told()).length, 1);
    assert.equal((await mails()).length, 1);
  });

  it("go to the owners where no addresses are given, and to nobody where there is none", async () => {
    await store.write(async (tx) => {
      const rest = { lowBalanceThresholdMinor: undefined, onZeroBalance: undefined, taxPin: undefined };
      await changeWallet(tx, wanjiru, { ...rest, alertEmails: [] });
    });
    await move(5_000);
    await move(-4_500);
    assert.deepEqual(await mails(), []);
    await store.write(async (tx) => {
      for (const [email, role] of [
        ["wanjiru@example.com", "owner"],
        ["otieno@example.com", "admin"],
      ] as const) {
        const user = await upsertUser(tx, { id: ids.next("usr"), email, createdAtMs: 0 });
        await insertMember(tx, { workspaceId: wanjiru, userId: user.id, role, createdAtMs: 0 });
      }
    });
    await move(4_500);
    await move(-4_500);
    const [mail, ...others] = await mails();
    assert.deepEqual(others, []);
    assert.equal(mail!.recipient, "wanjiru@example.com");
    assert.equal(mail!.subject, "Your balance is low: KES 5.00");
    assert.match(mail!.body, /"Wanjiru's shop" \(ws_\w+\) is KES 5\.00, below the KES 10\.00 at which/);
    assert.match(
      mail!.body,
      /^Habari,\n\nThe balance [^]*\n\nTo top up by M-Pesa: Paybill 400200, account number \w+\.\n$/,
    );
  });
});

describeOnSwitch("a low balance, over the wire", function () {
  this.timeout(60_000);
  const talksOn = "+254700000001";
  let world: TestWorld;
  let office: PostOffice;
  let receiver: Receiver;
  before(async () => {
    office = new PostOffice();
    await office.open();
    receiver = await Receiver.listen();
    world = await TestWorld.start({ SMTP_URL: office.url(), MAIL_FROM: "billing@sautikit.example" });
  });
  after(async () => {
    await world.end();
    await receiver.close();
    await office.close();
  });

  const told = (kind: string) =>
    receiver.received.map(({ body }) => JSON.parse(body) as Told).filter((one) => one.kind === kind);
  const subjects = () => office.received.map(({ text }) => /^Subject: (.*?)\r$/m.exec(text)?.[1] ?? "");
  const arrived = (kind: string, count: number) =>
    eventually(`${count} ${kind}`, () => {
      const all = told(kind);
      const subject = kind === "wallet.exhausted" ? /used up/ : /is low/;
      return all.length >= count && subjects().filter((one) => subject.test(one)).length >= count
        ? all
        : undefined;
    });

  async function call(): Promise<number> {
    const id = await world.customer.place({ from: nairobi, to: talksOn });
    await world.customer.until(id, "its answer", ({ status }) => status === "answered");
    await world.customer.hangUp(id);
    const { cost_minor } = await world.customer.ended(id);
    assert.ok(cost_minor > 0);
    return cost_minor;
  }
  const balance = async () => Number((await world.customer.ask("GET", "/v1/wallet")).body.balance_minor);

  it("is mailed and told by webhook once for each time that a call takes it below the threshold, and the end of the money too", async () => {
    const ask = world.customer.ask.bind(world.customer);
    const events = ["wallet.low_balance", "wallet.exhausted"];
    assert.equal((await ask("POST", "/v1/webhooks", { body: { url: receiver.url(), events } })).status, 201);
    const start = await balance();
    const choices = { low_balance_threshold_minor: start, alert_emails: ["Books@Wanjiru.example"] };
    const patched = await ask("PATCH", "/v1/wallet", { body: choices });
    assert.deepEqual(patched.body.alert_emails, ["books@wanjiru.example"]);

    const first = await call();
    const [low] = await arrived("wallet.low_balance", 1);
    assert.deepEqual(low!.data, { balance_minor: start - first, threshold_minor: start });
    await call();
    assert.equal(told("wallet.low_balance").length, 1, "it fell on, and that is not told");

    const workspaceId = String(patched.body.workspace_id);
    const credited = await sautikit(["credit", workspaceId, "1.00"], world.env);
    assert.equal(credited.code, 0, credited.stderr);
    await ask("PATCH", "/v1/wallet", { body: { low_balance_threshold_minor: await balance() } });
    await world.killSautikit();
    await world.startSautikit();
    await call();
    await arrived("wallet.low_balance", 2);

    const wallet = { kind: "wallet", workspaceId: workspaceId as WorkspaceId } as const;
    const amountMinor = 1 - (await balance());
    await world.store.write((tx) =>
      quietLedger.post(tx, {
        ...{ reference: "almost all", kind: "credit", description: "Spent", createdAtMs: Date.now() },
        workspaceId: wallet.workspaceId,
        entries: [
          { account: wallet, amountMinor },
          { account: { kind: "adjustments" }, amountMinor: -amountMinor },
        ],
      }),
    );
    await call();
    const [exhausted] = await arrived("wallet.exhausted", 1);
    assert.equal(exhausted!.data["balance_minor"], await balance());
    assert.ok((await balance()) < 0);
    assert.equal((await ask("POST", "/v1/calls", { body: { from: nairobi, to: talksOn } })).status, 402);
    assert.deepEqual([...new Set(office.received.flatMap(({ to }) => to))], ["books@wanjiru.example"]);
    assert.equal(office.received.length, 3);
    assert.equal(receiver.received.length, 3);
    await world.verifyLedger();
  });
});
