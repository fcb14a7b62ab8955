import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Demo } from "../../cli/demo-workspace.ts";
import { systemClock } from "../../engine/clock.ts";
import { systemIds } from "../../engine/ids.ts";
import { startStandIn, type StandIn } from "../../engine/simulator/daraja/stand-in.ts";
import { freePort } from "../peers/free-ports.ts";
import { startSautikit, type Child } from "../peers/child.ts";
import { eventually } from "../peers/waiting.ts";
import { databaseKind, testDatabase, type TestDatabase } from "../store/test-database.ts";
import { Customer } from "../world/customer.ts";
import { sautikit } from "./sautikit.ts";

const shortcode = "600999";
const settings = { consumerKey: "key", consumerSecret: "secret", shortcode, passkey: "pass" };

describe(`M-Pesa on several machines and one database, on ${databaseKind}`, function () {
  this.timeout(180_000);
  let folder: string;
  let standIn: StandIn;
  let database: TestDatabase;
  let env: Record<string, string>;
  const children: Child[] = [];
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "sautikit-machines-"));
    standIn = await startStandIn({ clock: systemClock, ids: systemIds(systemClock), settings });
    database = await testDatabase();
    env = {
      DATABASE_URL: database.url,
      SECRETS_KEY: "0123456789abcdef".repeat(4),
      PORT: String(await freePort()),
      // Nobody is there, and nothing is recorded.
      S3_ENDPOINT: `http://127.0.0.1:${await freePort()}`,
      S3_ACCESS_KEY_ID: "wanjiru",
      S3_SECRET_ACCESS_KEY: "wanjiru-secret",
      DARAJA_URL: standIn.url,
      DARAJA_CONSUMER_KEY: settings.consumerKey,
      DARAJA_CONSUMER_SECRET: settings.consumerSecret,
      DARAJA_SHORTCODE: shortcode,
      DARAJA_PASSKEY: settings.passkey,
      LOG_LEVEL: "warn",
    };
  });
  afterEach(async () => {
    for (const child of children.splice(0)) await child.stop();
    await standIn.close();
    await database.remove();
    await rm(folder, { recursive: true, force: true });
  });

  /** What is a machine's own is its folder. */
  const on = (machine: string, more: Record<string, string> = {}) => ({
    ...env,
    DATA_DIR: join(folder, machine),
    ...more,
  });
  async function start(machine: string, role: string, more: Record<string, string> = {}): Promise<Child> {
    const { child } = await startSautikit(["start", "--role", role], { folder, env: on(machine, more) });
    children.push(child);
    return child;
  }
  async function told(machine: string, ...args: string[]): Promise<Record<string, unknown>> {
    const { code, stdout, stderr } = await sautikit(args, on(machine));
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout.split("\n")[0] ?? "") as Record<string, unknown>;
  }
  /** The demo workspace, which the API of the first machine has made. */
  async function customer() {
    const demo = JSON.parse(await readFile(join(folder, "first", "demo.json"), "utf8")) as Demo;
    const wanjiru = new Customer(demo.base_url, demo.api_key);
    const { body } = await wanjiru.ask("GET", "/v1/wallet");
    return Object.assign(wanjiru, {
      account: String(body.mpesa_account_ref),
      startMinor: Number(body.balance_minor),
    });
  }
  type Here = Awaited<ReturnType<typeof customer>>;
  async function topUp(here: Here, phone = "+254722000001") {
    const body = { provider: "mpesa", amount_minor: 50_000, currency: "KES", phone_e164: phone };
    const asked = await here.ask("POST", "/v1/topups", { body });
    assert.equal(asked.status, 202, JSON.stringify(asked.body));
    return String(asked.body.id);
  }
  const confirmed = (here: Here, id: string) =>
    eventually(
      "the top-up, confirmed",
      async () => {
        const { body } = await here.ask("GET", `/v1/topups/${id}`);
        return body.status === "confirmed" ? true : undefined;
      },
      { withinMs: 30_000, everyMs: 100 },
    );

  it("what the controller of one asks for, Safaricom tells the API of another, with nothing configured for it", async () => {
    const pull = { DARAJA_PULL: "no" };
    await start("first", "api", pull);
    await start("second", "controller", pull);
    const here = await customer();
    await confirmed(here, await topUp(here));
    // Registered from a third.
    await told("third", "mpesa", "register-urls");
    await standIn.book.payBill({ account: here.account, amount: "250.00", msisdn: "254733000001" });
    await eventually("both in the wallet", async () => {
      const { body } = await here.ask("GET", "/v1/wallet");
      return body.balance_minor === here.startMinor + 75_000 ? true : undefined;
    });
    assert.deepEqual(
      standIn.book.deliveries.map(({ kind, status }) => [kind, status]),
      [
        ["stk", 200],
        ["confirmation", 200],
      ],
    );
  });

  it("a token that was kept in DATA_DIR, and is registered with Safaricom, stays what it was", async () => {
    const before = "5f1d0c9a7b3e4d2f8a6b1c0d9e8f7a6b5c4d5f1d0c9a7b3e";
    await mkdir(join(folder, "first"));
    await writeFile(join(folder, "first", "callback.token"), `${before}\n`);
    await told("first", "mpesa", "register-urls");
    assert.ok(standIn.book.urls?.confirmation.includes(`/callbacks/${before}/`));
    await told("second", "mpesa", "register-urls");
    assert.ok(standIn.book.urls?.confirmation.includes(`/callbacks/${before}/`));
  });

  it("another SECRETS_KEY on one of them is named at its start, and by doctor", async () => {
    await told("first", "mpesa", "register-urls");
    const other = { SECRETS_KEY: "f".repeat(64) };
    await assert.rejects(start("second", "api", other), /SECRETS_KEY .* is not the one/);
    const { code, stdout } = await sautikit(["doctor"], on("second", other));
    assert.equal(code, 1);
    assert.match(stdout, /^BROKEN M-Pesa: SECRETS_KEY .* is not the one/m);
    // Who configures the token needs none from the database.
    const token = { DARAJA_CALLBACK_TOKEN: "5f1d0c9a7b3e4d2f8a6b1c0d9e8f7a6b5c4d" };
    await start("second", "api", { ...other, ...token });
  });

  it("one token of Daraja's serves them all: a command ends nobody's, and who needs the next asks once", async () => {
    await start("first", "api");
    await start("second", "controller");
    const here = await customer();
    const { book } = standIn;
    const commands = () =>
      Promise.all([
        sautikit(["doctor"], on("third")),
        sautikit(["topup", "find", "SKL1ABCDEF"], on("fourth")),
        (async () => confirmed(here, await topUp(here)))(),
      ]);
    const answers = await commands();
    assert.match(answers[0].stdout, /^ok {4} M-Pesa:/m);
    assert.match(answers[1].stderr, /Safaricom's list has none/);
    await commands();
    assert.deepEqual([book.tokensIssued, book.tokensRefused], [1, 0]);

    // Another client of the same app takes one: whoever finds out first asks, for all of them.
    book.issueToken();
    await commands();
    assert.equal(book.tokensIssued, 3, "the other client's, and one of ours");
    const prompts = book.prompts.length;
    assert.equal(prompts, 3, "each top-up rang once");
  });
});
