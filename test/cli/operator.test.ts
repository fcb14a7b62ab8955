import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { freePort } from "../peers/free-ports.ts";
import { sautikit, toldLine } from "./sautikit.ts";

describe("the operator's commands", function () {
  this.timeout(30_000);
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "sautikit-operator-"));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  const run = (...args: string[]) => sautikit(args, { DATA_DIR: folder });
  /** The one line of JSON that a command prints. */
  const told = (...args: string[]) => toldLine(args, { DATA_DIR: folder });
  async function refused(says: RegExp, ...args: string[]): Promise<void> {
    const { code, stdout, stderr } = await run(...args);
    assert.equal(code, 1, stdout);
    assert.match(stderr, says);
    assert.match(stderr, /^sautikit: /);
    assert.doesNotMatch(stderr, /\n {4}at /, "a mistake gets no stack trace");
    assert.equal(stdout, "");
  }

  it("say what is wrong with a database that they cannot reach", async () => {
    const DATABASE_URL = `postgres://sautikit:secret@127.0.0.1:${await freePort()}/sautikit`;
    const { code, stderr } = await sautikit(["ledger", "verify"], { DATA_DIR: folder, DATABASE_URL });
    assert.equal(code, 1);
    assert.match(stderr, /^sautikit: .*ECONNREFUSED/);
    assert.doesNotMatch(stderr, /secret/);
  });

  it("find a workspace by its name, its account number, or a member's mail address", async () => {
    const made = await told("workspace", "create", "100% Njeri_'s", "--owner", "Njeri@duka.example");
    await told("workspace", "create", "1000 Njeri and sons");
    for (const text of [
      "njeri_'S",
      "100%",
      made["mpesa_account_ref"],
      "njeri@duka.example",
      made["workspace_id"],
    ]) {
      const { workspace_id: id, frozen } = await told("workspace", "find", String(text));
      assert.deepEqual([id, frozen], [made["workspace_id"], false], String(text));
    }
    const { code, stdout } = await run("workspace", "find", "nobody of that name");
    assert.deepEqual([code, stdout], [0, ""]);
    assert.equal((await run("workspace", "find")).stdout.trim().split("\n").length, 2);
  });

  it("take a transaction back, once, for a reason, and the ledger holds", async () => {
    const { workspace_id: workspace } = await told("workspace", "create", "Otieno's garage");
    const { transaction_id: credit } = await told(
      "credit",
      String(workspace),
      "500",
      "--reference",
      "typed wrongly",
    );
    await refused(/it needs a --reason/, "ledger", "correct", String(credit));
    await refused(
      /There is no transaction/,
      ...["ledger", "correct", "txn_01j00000000000000000000000", "--reason", "x"],
    );
    const correct = (reason: string) => told("ledger", "correct", String(credit), "--reason", reason);
    const first = await correct("50 was meant");
    assert.deepEqual([first["posted"], first["amount_minor"]], [true, -50_000]);
    const again = await correct("another reason");
    assert.equal(again["reason"], "50 was meant", "which is what stands");
    assert.deepEqual([again["posted"], again["transaction_id"]], [false, first["transaction_id"]]);
    await refused(
      /is a correction itself/,
      ...["ledger", "correct", String(first["transaction_id"]), "--reason", "x"],
    );
    const { code, stdout } = await run("ledger", "verify");
    assert.equal(code, 0, stdout);
  });

  it("make a workspace with a number, a key and money, and the ledger holds", async () => {
    const { workspace_id: workspace } = await told("workspace", "create", "Wanjiru's kiosk");
    assert.match(String(workspace), /^ws_[0-9a-z]{26}$/);
    const key = await told(
      "key",
      "create",
      String(workspace),
      "--name",
      "till",
      "--scopes",
      "calls.read,calls.write",
    );
    assert.match(String(key["api_key"]), /^tskey_live_[A-Za-z0-9_-]{43}$/);
    const number = await told("number", "add", String(workspace), "+254200000007");
    assert.match(String(number["voice_signing_secret"]), /^whsec_/);
    const credit = await told("credit", String(workspace), "49.50", "--reference", "cheque 7");
    assert.equal(credit["amount_minor"], 4950);
    assert.equal(credit["posted"], true);
    // The same cheque pays once.
    assert.equal(
      (await told("credit", String(workspace), "49.50", "--reference", "cheque 7"))["posted"],
      false,
    );

    const verified = await run("ledger", "verify");
    assert.equal(verified.code, 0, verified.stdout);
    assert.match(verified.stdout, /\n\d+ invariants checked, 0 broken\n$/);
    assert.doesNotMatch(verified.stdout, /BROKEN/);

    await refused(/belongs to somebody already/, "number", "add", String(workspace), "+254200000007");
    await refused(/is not E\.164/, "number", "add", String(workspace), "0200000008");
    await refused(/no scope "calls\.listen"/, "key", "create", String(workspace), "--scopes", "calls.listen");
  });

  it("say where a number's calls ask and tell, with the number or later", async () => {
    const { workspace_id: workspace } = await told("workspace", "create", "Wambui's taxis");
    const e164 = "+254200000011";
    const voice = "http://127.0.0.1:3000/voice";
    await refused(
      /^sautikit: --voice-url: .*http/,
      ...["number", "add", String(workspace), e164, "--voice-url", "ftp://127.0.0.1/voice"],
    );
    const { number_id: id } = await told("number", "add", String(workspace), e164, "--voice-url", voice);
    const empty = { voice_callback_url: null, voice_fallback_url: null, events_url: null };
    const routed = { number_id: id, number: e164, ...empty, voice_callback_url: voice };
    const [fallback, events] = ["http://127.0.0.1:3000/fallback", "http://127.0.0.1:3000/events"];
    assert.deepEqual(
      await told("number", "route", e164, "--fallback-url", fallback, "--events-url", events),
      {
        ...routed,
        voice_fallback_url: fallback,
        events_url: events,
      },
    );
    assert.deepEqual(
      await told("number", "route", e164, "--fallback-url", "", "--events-url", ""),
      routed,
      "and what is not named stays",
    );
    await refused(/Nobody here has the number "\+254200000012"/, "number", "route", "+254200000012");
    await refused(/one word too many/, "number", "route", e164, voice);
    // Beside a real switch customers' URLs lead to public addresses alone.
    const { code, stderr } = await sautikit(["number", "route", e164, "--voice-url", voice], {
      DATA_DIR: folder,
      FREESWITCH_URLS: "freeswitch://:a-password@127.0.0.1:1",
    });
    assert.equal(code, 1);
    assert.match(stderr, /--voice-url: The URL does not lead to a public address/);
  });

  it("credit what was asked for, once for a reference, and nothing else", async () => {
    const { workspace_id: workspace } = await told("workspace", "create", "Njoroge");
    await told("credit", String(workspace), "49.50", "--reference", "cheque 8");
    // Another cheque of that number is a mistake, whoever it is for.
    await refused(
      /"cheque 8" was used before, for KES 49\.50 to ws_\w+ \(txn_\w+\)\. Nothing was credited/,
      ...["credit", String(workspace), "49.51", "--reference", "cheque 8"],
    );
    const { workspace_id: other } = await told("workspace", "create", "Otieno");
    await refused(/"cheque 8" was used before/, "credit", String(other), "49.50", "--reference", "cheque 8");
  });

  it("credit says how to go on where the database did not take it, so that it is given once", async () => {
    const { workspace_id: workspace } = await told("workspace", "create", "Nafula");
    const database = new Database(join(folder, "sautikit.db"));
    database.exec("BEGIN IMMEDIATE");
    const { code, stderr } = await run("credit", String(workspace), "49.50");
    database.exec("ROLLBACK");
    database.close();
    assert.equal(code, 1);
    const [, reference] = /Run it again with --reference "(txn_\w+)", which credits once/.exec(stderr) ?? [];
    assert.ok(reference, stderr);
    for (const posted of [true, false]) {
      const again = await told("credit", String(workspace), "49.50", "--reference", reference);
      assert.equal(again["posted"], posted);
    }
  });

  it("credit tells the workspace by wallet.top_up, once", async () => {
    const { workspace_id: workspace } = await told("workspace", "create", "Achieng");
    const database = new Database(join(folder, "sautikit.db"));
    database
      .prepare(
        `INSERT INTO webhook_endpoints (id, workspace_id, url, events, enabled, signing_secret, created_at_ms, updated_at_ms)
         VALUES ('wh_achieng', ?, 'http://93.184.216.34/hook', '["*"]', 1, 'sealed', 0, 0)`,
      )
      .run(workspace);
    const paid = await told("credit", String(workspace), "49.50", "--reference", "cheque 9");
    await told("credit", String(workspace), "49.50", "--reference", "cheque 9");
    const given = await told("credit", String(workspace), "1");
    const rows = database
      .prepare("SELECT body FROM deliveries WHERE kind = 'wallet.top_up' ORDER BY id")
      .all();
    database.close();
    const common = { topup_id: null, provider: "operator" };
    assert.deepEqual(
      (rows as { body: string }[]).map(({ body }) => (JSON.parse(body) as { data: object }).data),
      [
        {
          ...{ ...common, provider_reference: "cheque 9", amount_minor: 4950, balance_minor: 4950 },
          transaction_id: paid["transaction_id"],
        },
        {
          ...{ ...common, provider_reference: null, amount_minor: 100, balance_minor: 5050 },
          transaction_id: given["transaction_id"],
        },
      ],
    );
  });

  it("credit no amount that is none", async () => {
    const { workspace_id: workspace } = await told("workspace", "create", "Njoroge");
    for (const amount of ["-5", "-0.50", "-.5"])
      await refused(/the amount is like 500 or 49\.50, and more than 0/, "credit", String(workspace), amount);
    for (const amount of ["0", "-5", "1.234", "1e3", "KES 5", ""]) {
      await refused(/the amount is like/, "credit", String(workspace), "--", amount);
    }
  });

  it("list a workspace's keys without their text, and revoke one, once and for all", async () => {
    const { workspace_id: workspace } = await told("workspace", "create", "Achieng");
    const till = await told("key", "create", String(workspace), "--name", "till");
    await told("key", "create", String(workspace), "--name", "office", "--scopes", "calls.read");
    const list = async () => {
      const { code, stdout } = await run("key", "list", String(workspace));
      assert.equal(code, 0);
      assert.ok(!stdout.includes(String(till["api_key"])));
      return stdout
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line) as Record<string, unknown>);
    };
    const keys = await list();
    assert.deepEqual(
      keys.map(({ name, revoked_at, expires_at }) => [name, revoked_at, expires_at]),
      [
        ["till", null, null],
        ["office", null, null],
      ],
    );
    assert.equal(keys[0]!["last_four"], String(till["api_key"]).slice(-4));
    assert.deepEqual(keys[1]!["scopes"], ["calls.read"]);

    const revoked = await told("key", "revoke", String(till["key_id"]));
    assert.match(String(revoked["revoked_at"]), /^2\d{3}-.*Z$/);
    assert.deepEqual(await told("key", "revoke", String(till["key_id"])), revoked);
    assert.deepEqual((await list())[0], revoked);

    await refused(/no key key_01m8804jzshqmazxfz36pa688e/, "key", "revoke", "key_01m8804jzshqmazxfz36pa688e");
    await refused(/is not a key's id/, "key", "revoke", "till");
    await refused(/WORKSPACE is missing/, "key", "list");
  });

  it("leave only what the owner may read", async () => {
    const modes = async (dataDir: string) =>
      Object.fromEntries(
        await Promise.all(
          (await readdir(dataDir)).map(async (name) => {
            const { mode } = await stat(join(dataDir, name));
            return [name, (mode & 0o777).toString(8)] as const;
          }),
        ),
      );
    assert.deepEqual(await modes(folder), { "sautikit.db": "600", "secrets.key": "600" });
    // A database that was everybody's to read is its owner's from the next command on.
    await chmod(join(folder, "sautikit.db"), 0o644);
    await told("workspace", "create", "Njeri");
    assert.equal((await modes(folder))["sautikit.db"], "600");
    const made = join(folder, "made", "data");
    assert.equal((await sautikit(["workspace", "create", "Njeri"], { DATA_DIR: made })).code, 0);
    assert.equal((await stat(made)).mode & 0o777, 0o700);
  });

  it("refuse what they do not know", async () => {
    await refused(/workspace create NAME/, "workspace", "create");
    await refused(/"workspace destroy" is not a command/, "workspace", "destroy");
    await refused(/is not a workspace id/, "key", "create", "Wanjiru");
    await refused(/is not a workspace id/, "credit", "call_01m8804jzshqmazxfz36pa688e", "5");
    await refused(/"Kiosk" is one word too many/, "workspace", "create", "Wanjiru's", "Kiosk");
    await refused(
      /Unknown option '--nme'\.\n\nUsage: npx sautikit <command>\n\n {2}key create/,
      "key",
      "create",
      "ws_01m8804jzshqmazxfz36pa688e",
      "--nme",
      "x",
    );
    // Of a workspace that there is not.
    await refused(/workspace/i, "key", "create", "ws_01m8804jzshqmazxfz36pa688e");
    await refused(/workspace/i, "credit", "ws_01m8804jzshqmazxfz36pa688e", "5");
    await refused(/workspace/i, "number", "add", "ws_01m8804jzshqmazxfz36pa688e", "+254200000009");
  });

  it("have nothing to say when whoever reads their lines has enough", async () => {
    const { workspace_id: workspace } = await told("workspace", "create", "Achieng's bakery");
    for (const name of ["till", "web"]) await told("key", "create", String(workspace), "--name", name);
    const program = new URL("../../cli/sautikit.ts", import.meta.url).pathname;
    for (const args of [["key", "list", String(workspace)], ["doctor"], ["help"], ["config"]]) {
      const child = spawn(process.execPath, [program, ...args], {
        env: { ...process.env, DATA_DIR: folder, LOG_LEVEL: "warn" },
        stdio: ["ignore", "pipe", "pipe"],
      });
      child.stdout.destroy();
      let said = "";
      child.stderr.on("data", (piece: Buffer) => (said += piece.toString()));
      const [code] = (await once(child, "close")) as [number];
      assert.deepEqual({ args, code, said }, { args, code: 0, said: "" });
    }
  });

  it("find a ledger that was tampered with, and fail", async () => {
    const db = new Database(join(folder, "sautikit.db"));
    db.exec("UPDATE ledger_entries SET amount_minor = amount_minor + 1 WHERE sequence = 1");
    db.close();
    const { code, stdout } = await run("ledger", "verify");
    assert.equal(code, 1);
    assert.match(stdout, /^BROKEN /m);
  });
});

describe("sautikit", function () {
  this.timeout(30_000);

  for (const arg of ["version", "--version"])
    it(`says its version to "${arg}"`, async () => {
      assert.match((await sautikit([arg])).stdout, /^\d+\.\d+\.\d+\S*\n$/);
    });

  it("says why no invoice is exported", async () => {
    const { code, stdout, stderr } = await sautikit(["invoices", "export", "2026-07"]);
    assert.deepEqual([code, stdout], [0, ""]);
    assert.match(stderr, /none is given out without SELLER_NAME and SELLER_PIN/);
  });

  it("without a command says what there is", async () => {
    const { code, stdout } = await sautikit([]);
    assert.equal(code, 0);
    for (const command of ["start", "demo", "config", "ledger verify", "simulator"]) {
      assert.ok(stdout.includes(command), command);
    }
  });

  for (const [args, first, says] of [
    [["credit", "--help"], "credit", /The same reference pays once/],
    [["start", "-h"], "start", /--role api,controller,spool/],
    [["key", "--help"], "key create", /key revoke KEY/],
    [["key", "revoke", "--help"], "key revoke", /refused at once/],
    [["simulator", "carrier", "--help"], "simulator carrier", /--port P/],
    [["help", "ledger"], "ledger verify", /invariant/],
    [["workspace", "create", "--help"], "workspace create", /Makes a workspace/],
  ] as const) {
    it(`explains "${args.join(" ")}"`, async () => {
      const { code, stdout, stderr } = await sautikit(args);
      assert.deepEqual([code, stderr], [0, ""]);
      assert.ok(stdout.startsWith(`Usage: npx sautikit <command>\n\n  ${first}`), stdout);
      assert.match(stdout, says);
      assert.doesNotMatch(stdout, / {2}config/);
    });
  }

  const wrong: [args: string[], says: RegExp, env?: Record<string, string>][] = [
    [["dial"], /no command "dial"/],
    [["doctor", "extra"], /doctor takes nothing more: "extra" is too many/],
    [["config", "extra"], /config takes nothing more/],
    [["ledger", "verify", "--json"], /Unknown option '--json'/],
    [["ledger", "verify", "all"], /"all" is one word too many: this command takes none/],
    [["credit"], /WORKSPACE is missing/],
    [["simulator"], /simulator takes/],
    [["simulator", "pbx"], /simulator takes/],
    [["simulator", "switch"], /--cdr-dir/],
    [["simulator", "switch", "--cdr-dir", "/tmp", "--gateway", "carrier"], /--gateway takes name=host:port/],
    [["simulator", "switch", "--cdr-dir", "/tmp"], /ESL password/, { ESL_PASSWORD: "ClueCon" }],
    [["simulator", "switch", "--cdr-dir", "/tmp"], /ESL password/, { ESL_PASSWORD: "" }],
    [["simulator", "carrier", "--port", "sip"], /--port takes a port/],
    [["simulator", "carrier", "--prot", "5060"], /Unknown option '--prot'/],
    [["start", "--role", "api,console"], /--role takes a list of api, controller, spool; "console"/],
    [["start", "--port", "80"], /Unknown option '--port'/],
    [["demo"], /demo --carrier </, { FREESWITCH_URLS: "freeswitch://:a-password@127.0.0.1:1" }],
    [["start"], /PORT: must be a port/, { PORT: "eighty" }],
    [["start"], /FREESWITCH_URLS/, { FREESWITCH_URLS: "freeswitch://:ClueCon@127.0.0.1:8021" }],
  ];
  for (const [args, says, env = {}] of wrong) {
    it(`refuses "${args.join(" ")}"${Object.keys(env).length > 0 ? ` with ${JSON.stringify(env)}` : ""}`, async () => {
      const { code, stderr } = await sautikit(args, env);
      assert.equal(code, 1);
      assert.match(stderr, says);
      assert.doesNotMatch(stderr, /\n {4}at |To specify a positional/);
    });
  }
});
