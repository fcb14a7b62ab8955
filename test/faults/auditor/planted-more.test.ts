import assert from "node:assert/strict";
import { describeOnSwitch } from "../../peers/switch-under-test.ts";
import type { Act, ActKind, Plan } from "../random/plan.ts";
import { planOf } from "../random/plan.ts";
import { runBatch } from "../random/run.ts";
import { findingsOf } from "./auditor.ts";
import type { Evidence } from "./evidence.ts";

/** Of a thousand seeds the first whose customer does that, as `when` wants it; nothing is done to anybody. */
function planned<K extends ActKind>(
  kind: K,
  when: (act: Extract<Act, { kind: K }>) => boolean = () => true,
): Plan {
  for (let seed = 1; seed < 1_000; seed++) {
    const plan = planOf(seed);
    const act = plan.acts.find((one): one is Extract<Act, { kind: K }> => one.kind === kind);
    if (act && when(act)) return { ...plan, acts: [act], faults: [], lowBalanceMinor: 999_950 };
  }
  throw new Error(`nobody does ${kind}`);
}

/** The same accounts, to be written to. */
type Plantable = { -readonly [Part in keyof Evidence]: Evidence[Part] };
type Rows<Name extends keyof Evidence["books"]> = Evidence["books"][Name][number];

describeOnSwitch("the auditor, of what customers do beside calling", function () {
  this.timeout(120_000);
  let evidence: Evidence;
  before(async () => {
    const plans = [
      planned("topUp", ({ behaviour }) => behaviour === "pays"),
      planned("topUp", ({ behaviour }) => behaviour === "+254700003006"),
      planned("payBill", ({ account }) => account === "hers"),
      planned("claim", ({ monthsLater, releases }) => monthsLater > 0 && !releases),
      planned("claim", ({ releases }) => releases),
      planned("room", ({ members, commands }) => members.length === 2 && commands.length === 0),
      planned("deviceCalls", ({ to }) => to.startsWith("+25471")),
      planned("deviceIsCalled", ({ answers }) => answers === "answers"),
      planned(
        "inbound",
        (act) => act.hangUpAfterMs > 3_000 && JSON.stringify(act.documents).includes('[[{"getDigits'),
      ),
      planned("recordingDeleted"),
      planned("call", ({ body }) => body["record"] === true && typeof body["to"] === "string"),
    ];
    const seeds = new Set<number>();
    // Two acts may be of one seed: then the next one has a number of its own.
    for (const plan of plans) {
      while (seeds.has(plan.seed)) plan.seed += 1_000;
      seeds.add(plan.seed);
      plan.number = planOf(plan.seed).number;
    }
    const result = await runBatch(plans, { look: (found) => (evidence = found) });
    assert.deepEqual(result.findings, []);
  });

  it("has nothing to say where all was right, and had something of each to look at", () => {
    const { books, daraja, devices, placedThere, mailed } = evidence;
    assert.deepEqual(findingsOf(evidence), []);
    assert.equal(daraja?.payments.length, 3);
    assert.ok(books.rentals.length >= 4, `${books.rentals.length} months`);
    assert.equal(books.members.length, 2);
    assert.deepEqual(
      [devices.flatMap(({ made }) => made).length, devices.flatMap(({ rung }) => rung).length],
      [1, 1],
    );
    assert.equal(placedThere.length, 1);
    assert.ok(mailed.size >= 2, `${mailed.size} mails`);
    assert.ok(books.meters.length >= 1);
  });

  /** Plants one error in a copy of all accounts. */
  const finds = (title: string, plant: (copy: Plantable) => void, expected: RegExp) =>
    it(`finds ${title}`, () => {
      const copy: Plantable = structuredClone(evidence);
      plant(copy);
      const found = findingsOf(copy);
      assert.ok(
        found.some((line) => expected.test(line)),
        `${String(expected)} is not among:\n${found.join("\n")}`,
      );
    });
  const first = <Name extends keyof Evidence["books"]>(
    { books }: Plantable,
    name: Name,
    which: (row: Rows<Name>) => boolean = () => true,
  ): Rows<Name> => {
    const row = (books[name] as Rows<Name>[]).find(which);
    assert.ok(row, `none of ${name}`);
    return row;
  };
  const without = <T>(rows: T[], which: (row: T) => boolean) => {
    const index = rows.findIndex(which);
    assert.ok(index >= 0);
    rows.splice(index, 1);
  };
  const credited = (copy: Plantable) => first(copy, "payments", ({ workspace_id }) => workspace_id !== null);

  finds(
    "a payment that is in nobody's books",
    ({ books }) => without(books.payments, () => true),
    /is not in the books/,
  );
  finds(
    "a payment that Safaricom never moved",
    (copy) => {
      const { payments, prompts } = copy.daraja!;
      copy.daraja = { prompts, payments: payments.slice(1) };
    },
    /has the receipt \w+, which Safaricom does not know/,
  );
  finds(
    "a payment of another amount than Safaricom moved",
    (copy) => (credited(copy).amount_minor += 100n),
    /cents, while Safaricom moved \d+/,
  );
  finds(
    "a payment in somebody else's wallet",
    (copy) => (credited(copy).workspace_id = first(copy, "workspaces").id),
    /credited to ws_\w+, and it is ws_/,
  );
  finds(
    "a receipt that was posted twice",
    (copy) => {
      const posted = first(copy, "transactions", ({ reference }) => reference.startsWith("mpesa "));
      copy.books.transactions.push({ ...posted, id: "txn_again" });
    },
    /posted 2 times, not once/,
  );
  finds(
    "another amount than was asked for in a wallet, and not in suspense",
    (copy) => {
      const held = first(copy, "payments", ({ suspense_reason }) => suspense_reason === "amount_mismatch");
      held.workspace_id = first(copy, "topUps", ({ id }) => id === held.topup_id).workspace_id;
    },
    /and it is nobody's/,
  );
  finds(
    "a top-up that nobody was told of",
    (copy) => (copy.heard = copy.heard.filter(({ kind }) => kind !== "wallet.top_up")),
    /told of in 0 events, not one/,
  );
  finds(
    "money that left Safaricom's clearing account",
    (copy) => (first(copy, "accounts", ({ kind }) => kind === "mpesa_clearing").balance_minor += 1n),
    /the clearing account has -?\d+ cents, and Safaricom holds \d+/,
  );
  finds(
    "a phone that was asked twice for one top-up",
    (copy) => {
      const { payments, prompts } = copy.daraja!;
      copy.daraja = { payments, prompts: [...prompts, ...prompts] };
    },
    /its phone was asked 2 times/,
  );
  finds(
    "a top-up that is shown as paid, and was not",
    (copy) => {
      const paid = first(copy, "topUps", ({ state }) => state === "succeeded");
      paid.receipt = copy.daraja!.payments.find(({ account }) => account !== paid.account_reference)!.receipt;
    },
    /is shown as paid by \w+, which was not paid for it/,
  );

  finds(
    "a month that is said to be paid, and was not",
    (copy) => {
      const rented = first(copy, "numbers", ({ paid_months }) => (paid_months ?? 0n) > 0n);
      rented.paid_months = (rented.paid_months ?? 0n) + 1n;
    },
    /\d+ months are said to be paid, and \d+ were/,
  );
  finds(
    "a month that was debited twice",
    (copy) => {
      const rent = first(copy, "transactions", ({ kind }) => kind === "number_rental");
      copy.books.transactions.push({ ...rent, id: "txn_again", reference: `${rent.reference} again` });
    },
    /is rent of no month/,
  );
  finds(
    "a month at another price than was debited",
    (copy) => (first(copy, "rentals").net_minor += 1n),
    /month 1 costs \d+ cents, and \d+ were paid/,
  );
  finds(
    "a month that is missing between two",
    (copy) => (first(copy, "rentals", ({ month }) => month === 2n).begins_at_ms += 1n),
    /month 2 does not follow the one before/,
  );
  finds(
    "a number that two hold",
    (copy) => {
      const held = first(copy, "numbers", ({ held_e164 }) => held_e164 !== null);
      copy.books.numbers.push({ ...held, id: "num_other", origin: "operator", paid_months: null });
    },
    /is held by num_\w+ and num_other/,
  );
  finds(
    "a claim that nobody was told of",
    (copy) => (copy.heard = copy.heard.filter(({ kind }) => kind !== "number.provisioned")),
    /told of as provisioned 0 times, not once/,
  );
  finds(
    "a release that nobody was told of",
    (copy) => (copy.heard = copy.heard.filter(({ kind }) => kind !== "number.released")),
    /told of as released 0 times, not 1/,
  );

  finds(
    "a room that ended with somebody inside",
    (copy) => {
      const member = first(copy, "members");
      member.left_at_us = null;
      member.status = "inside";
    },
    /has ended with leg_\w+ inside/,
  );
  finds(
    "a member whose leg is over, and who is still inside",
    (copy) => (first(copy, "members").left_at_us = null),
    /has ended, and is still inside/,
  );
  finds(
    "an empty room that goes on",
    (copy) => (first(copy, "conferences").ended_at_ms = null),
    /is empty, and has not ended/,
  );
  finds(
    "a member that was told to have come twice",
    (copy) => {
      const joined = first(copy, "events", ({ kind }) => kind === "conference.joined");
      copy.books.events.push({ ...joined, id: "evt_again" });
    },
    /has 2 conference.joined, and came 1 times/,
  );
  finds(
    "a member that left without a word",
    ({ books }) => without(books.events, ({ kind }) => kind === "conference.left"),
    /has 0 conference.left, and came 1 times/,
  );

  finds(
    "a telephone that was rung for no leg",
    ({ devices }) => (devices.flatMap(({ rung }) => rung)[0]!.sipCallId = "nobody's"),
    /was rung \(nobody's\), and no leg's end-of-leg record says so/,
  );
  finds(
    "a call of a telephone's that no leg is of",
    ({ devices }) => (devices.flatMap(({ made }) => made)[0]!.sipCallId = "nobody's"),
    /made a call that was answered \(nobody's\), and no leg's/,
  );
  finds(
    "a caller who was answered by nobody's leg",
    ({ placedThere }) =>
      (placedThere.find(({ answered_at }) => answered_at !== null)!.sip_call_id = "nobody's"),
    /and was answered \(nobody's\), and no leg's end-of-leg record says so/,
  );
  finds(
    "two legs of one caller",
    (copy) => {
      const leg = first(copy, "legs", ({ direction, kind }) => direction === "inbound" && kind === "pstn");
      copy.books.legs.push({ ...leg, id: "leg_again" });
    },
    /: 2 legs for 1 calls/,
  );
  finds(
    "two legs of one dialog",
    (copy) => {
      const records = new Map(copy.records);
      const [some] = records.values();
      copy.records = records.set("leg_again", { ...some!, leg: "leg_again" });
    },
    / is of leg_\w+ and leg_again/,
  );

  finds(
    "storage that is metered and not used",
    (copy) => (first(copy, "meters").used_bytes += 1n),
    /is said to store \d+ bytes, and stores \d+/,
  );
  finds(
    "a mail that was never sent",
    (copy) => (copy.mailed = new Set([...copy.mailed].slice(1))),
    /is said to be sent, and nobody has it/,
  );
  finds(
    "a mail that nobody asked for",
    (copy) => (copy.mailed = new Set([...copy.mailed, "mail_other"])),
    /mail_other was sent, and is no mail of the books/,
  );
  finds(
    "a mail that was given up",
    (copy) => Object.assign(first(copy, "mails"), { status: "failed", next_attempt_at_ms: null }),
    /is failed, and is not tried again/,
  );
  finds(
    "a low balance that was mailed and not told",
    (copy) => (copy.heard = copy.heard.filter(({ kind }) => kind !== "wallet.low_balance")),
    /\d+ mails of a low balance, and 0 events of one/,
  );
  finds(
    "a workspace's event that is said to be delivered, and never came",
    (copy) => (copy.heard = copy.heard.filter(({ kind }) => kind !== "wallet.top_up")),
    /evt_\w+ \(wallet.top_up\) is said to be delivered to http/,
  );
  finds(
    "an event that was told to another workspace",
    (copy) => Object.assign(copy.heard[0]!, { workspaceId: "ws_other" }),
    /is of ws_\w+, and was told as ws_other's/,
  );
});
