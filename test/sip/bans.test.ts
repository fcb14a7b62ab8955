import { strict as assert } from "node:assert";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pino } from "pino";
import type { SipId } from "../../engine/ids.ts";
import { standingBans, type BanKind, type SipBanRow } from "../../engine/store/sip-bans.ts";
import { createCredential } from "../../engine/sip/credentials.ts";
import { requireNoBan } from "../../engine/policy/device-login.ts";
import { LoginFailures } from "../../engine/sip/login-failures.ts";
import { numberById } from "../../engine/store/numbers.ts";
import { endSipLogins, saveRegistration } from "../../engine/store/sip-credentials.ts";
import { tellWorkspace } from "../../engine/webhooks/workspace-events.ts";
import { hours, minutes, policyWorld, type Owner, type PolicyWorld } from "../policy/world.ts";
import { databaseKind } from "../store/test-database.ts";

const stranger = "203.0.113.7";
const office = "198.51.100.9";

describe(`failed logins, and the bans that follow, on ${databaseKind}`, function () {
  this.timeout(120_000);
  let w: PolicyWorld;
  let wanjiru: Owner;
  let failures: LoginFailures;
  let changed: BanKind[];
  beforeEach(async () => {
    w = await policyWorld(Date.now());
    wanjiru = await w.owner();
    changed = [];
    failures = new LoginFailures({
      ...w,
      log: pino({ level: "silent" }),
      never: () => ["127.0.0.0/8", "192.0.2.0/24"],
      changed: (kind) => changed.push(kind),
      tell: (tx, event) => tellWorkspace(tx, w, event),
    });
  });
  afterEach(() => w.close());

  /** One that each box has read of. */
  async function credential(): Promise<{ id: SipId; username: string }> {
    const made = await newCredential();
    w.later(10_000);
    return made;
  }
  async function newCredential(): Promise<{ id: SipId; username: string }> {
    const words = { label: "Desk", maxConcurrentCalls: 10, maxCallsPerSecond: 5 };
    const parts = { clock: w.clock, ids: w.ids, realm: "sip.example", changed: () => undefined };
    const made = await w.store.write(async (tx) =>
      createCredential(tx, parts, (await numberById(tx, wanjiru.numberId!))!, words),
    );
    return made.credential;
  }
  const registered = (username: string, address: string, sipCallId = `${username}@${address}`) =>
    w.store.write((tx) =>
      saveRegistration(tx, {
        ...{ box: "box", username, sipCallId, contactUri: "sip:x@10.0.0.2" },
        ...{ contact: null, transport: "udp", address, port: 5060, userAgent: "Yealink" },
        expiresAtMs: w.clock.nowMs() + hours(48),
      }),
    );
  async function fail(times: number, { address = stranger, username = null as string | null } = {}) {
    for (let time = 0; time < times; time++)
      failures.take({ kind: "loginFailed", box: "box", address, username });
    await failures.flush();
  }
  const bans = () => w.store.read((tx) => standingBans(tx, w.clock.nowMs(), 100));
  const subjects = async () => (await bans()).map(({ subject }) => subject);
  const lastsMs = ({ sinceMs, untilMs }: SipBanRow) => untilMs - sinceMs;
  const rows = async (table: string) =>
    (await w.store.read((tx) => tx.all<{ kind: string }>(`SELECT kind FROM ${table}`))).length;

  it("the twentieth within ten minutes bans an address, those before are forgotten with time", async () => {
    await fail(19);
    w.later(minutes(10));
    await fail(19);
    assert.deepEqual(await bans(), []);
    await fail(1);
    const [ban, ...others] = await bans();
    assert.deepEqual([others, changed], [[], ["address"]]);
    assert.deepEqual(
      [ban!.kind, ban!.subject, ban!.reason, ban!.failures, lastsMs(ban!)],
      ["address", stranger, "failed_logins", 20, minutes(10)],
    );
  });

  it("each ban in a row is longer, up to a day, and after a quiet day the first is the first again", async () => {
    const lasted: number[] = [];
    for (let round = 0; round < 5; round++) {
      await fail(20);
      const [ban] = await bans();
      lasted.push(lastsMs(ban!));
      w.later(lastsMs(ban!) + minutes(1));
    }
    assert.deepEqual(lasted, [minutes(10), hours(1), hours(6), hours(24), hours(24)]);
    w.later(hours(24));
    await fail(20);
    assert.equal(lastsMs((await bans())[0]!), minutes(10));
  });

  it("what is sent while it is banned is not kept, and makes it no longer", async () => {
    await fail(20);
    const before = await bans();
    await fail(100);
    w.later(minutes(5));
    await fail(100);
    assert.deepEqual([await bans(), await rows("sip_login_failures")], [before, 0]);
    w.later(minutes(6));
    await fail(19);
    assert.deepEqual(await bans(), []);
  });

  it("an address that devices are registered from is banned by ten times as many", async () => {
    const { username } = await credential();
    await registered(username, office);
    await fail(199, { address: office });
    assert.deepEqual(await bans(), []);
    await fail(1, { address: office });
    assert.deepEqual(await subjects(), [office]);
  });

  it("what the operator keeps out of it is never banned", async () => {
    await fail(50, { address: "192.0.2.200" });
    await fail(50, { address: "127.0.0.1" });
    assert.deepEqual([await bans(), await rows("sip_login_failures")], [[], 0]);
  });

  it("a name that is nobody's counts for its address alone", async () => {
    for (let index = 0; index < 30; index++)
      failures.take({ kind: "loginFailed", box: "box", address: `203.0.113.${index}`, username: "nobody23" });
    await failures.flush();
    assert.deepEqual(await bans(), []);
  });

  it("a credential's name that fails from everywhere bans it, but for where its devices are, and its owner is told", async () => {
    await wanjiru.listen();
    const { id, username } = await credential();
    await registered(username, office);
    for (let index = 0; index < 20; index++)
      failures.take({ kind: "loginFailed", box: "box", address: `203.0.113.${index}`, username });
    await failures.flush();
    const [ban] = await bans();
    assert.deepEqual(
      [ban!.kind, ban!.subject, JSON.parse(ban!.spared), ban!.workspaceId, changed],
      ["credential", id, [office], wanjiru.id, ["credential"]],
    );
    const [told, ...more] = await wanjiru.events("sip.credential_banned");
    assert.deepEqual(more, []);
    const { addresses, banned_at: bannedAt, banned_until: bannedUntil, ...rest } = told!;
    assert.deepEqual(rest, {
      ...{ credential_id: id, label: "Desk", number_id: wanjiru.numberId, number: wanjiru.number },
      ...{ failures: 20, let_in_from: [office] },
    });
    assert.equal((addresses as string[]).length, 5);
    assert.equal(Date.parse(String(bannedUntil)) - Date.parse(String(bannedAt)), minutes(10));
  });

  it("a phone of a banned credential that tries from a new address bans nobody, a wrong password where it is let in does", async () => {
    const { id, username } = await credential();
    await registered(username, office);
    for (let index = 0; index < 20; index++)
      failures.take({ kind: "loginFailed", box: "box", address: `203.0.113.${index}`, username });
    await failures.flush();
    const abroad = "198.51.100.77";
    for (let second = 0; second < 60; second++) await fail(2, { address: abroad, username });
    assert.deepEqual(await subjects(), [id]);
    // That is no phone's doing.
    await fail(22, { address: "198.51.100.78", username });
    assert.deepEqual(new Set(await subjects()), new Set([id, "198.51.100.78"]));
    await w.told("bans", "lift", "198.51.100.78");
    await fail(19, { address: abroad, username: "nobody23" });
    assert.deepEqual(await subjects(), [id]);
    await fail(1, { address: abroad, username: "nobody23" });
    assert.deepEqual(new Set(await subjects()), new Set([id, abroad]));
    await fail(200, { address: office, username });
    assert.deepEqual(new Set(await subjects()), new Set([id, abroad, office]));
  });

  it("a phone that is quicker than the box's list of logins bans neither its credential nor its address, a flood does", async () => {
    const { id, username } = await newCredential();
    for (let second = 0; second < 5; second++) {
      await fail(2, { address: office, username });
      for (let index = 0; index < 10; index++) await fail(2, { address: `203.0.113.${index}`, username });
      w.later(1_000);
    }
    assert.deepEqual([await bans(), await rows("sip_login_failures")], [[], 0]);
    await fail(22, { address: stranger, username });
    assert.deepEqual(await subjects(), [stranger]);
    w.later(2_000);
    for (let second = 0; second < 10; second++) await fail(2, { address: office, username });
    assert.deepEqual(new Set(await subjects()), new Set([stranger, office, id]));
  });

  it("an eleventh phone of a credential, whose password nobody looks at, bans neither it nor its address", async () => {
    const { id, username } = await credential();
    const again = async (address: string) => {
      for (let second = 0; second < 30; second++) await fail(2, { address, username });
      return subjects();
    };
    for (let index = 0; index < 10; index++) await registered(username, office, `${index}@phone`);
    assert.deepEqual(await again(stranger), []);
    w.later(hours(49));
    assert.deepEqual(
      new Set(await again(stranger)),
      new Set([stranger, id]),
      "with those gone it counts again",
    );
  });

  it("one address with ever new names leaves room for others", async () => {
    const { id, username } = await credential();
    for (let index = 0; index < 3_000; index++)
      failures.take({ kind: "loginFailed", box: "box", address: stranger, username: `name${index}` });
    for (let index = 0; index < 20; index++)
      failures.take({ kind: "loginFailed", box: "box", address: `10.0.0.${index}`, username });
    await failures.flush();
    assert.equal(failures.counts.leftOut, 0);
    assert.deepEqual(new Set(await subjects()), new Set([stranger, id]));
  });

  it("a flood from a thousand addresses with a thousand names leaves so many rows at most, and those go", async () => {
    for (let index = 0; index < 3_000; index++)
      failures.take({
        ...{ kind: "loginFailed", box: "box", username: `name${index}` },
        address: `10.${index >> 8}.${index & 255}.1`,
      });
    await failures.flush();
    assert.deepEqual(failures.counts, { told: 3_000, leftOut: 2_500, bansLeftOut: 0 });
    assert.equal(await rows("sip_login_failures"), 500);
    await fail(20);
    w.later(hours(25));
    await failures.flush();
    assert.deepEqual([await rows("sip_login_failures"), await rows("sip_bans")], [0, 0]);
  });

  it("with ten thousand addresses banned no more are, a credential still is, and those that are over go", async () => {
    const { id, username } = await credential();
    const untilMs = w.clock.nowMs() + minutes(10);
    const banned = (from: number, to: number) =>
      w.store.write((tx) =>
        tx.run(
          `WITH RECURSIVE n (i) AS (SELECT ${from} UNION ALL SELECT i + 1 FROM n WHERE i < ${to})
           INSERT INTO sip_bans (kind, subject, reason, failures, round, since_ms, until_ms)
           SELECT 'address', '10.' || (i / 65536) || '.' || (i / 256 % 256) || '.' || (i % 256), 'failed_logins', 20, 1,
             0, ${untilMs} + i FROM n`,
        ),
      );
    await banned(1, 9_999);
    await fail(20, { address: "203.0.113.1" });
    assert.ok((await subjects()).includes("203.0.113.1"));
    await fail(20, { address: "203.0.113.2" });
    await fail(20, { address: "192.0.2.9", username });
    assert.equal(failures.counts.bansLeftOut, 1);
    assert.equal(await rows("sip_bans"), 10_001);
    assert.ok((await subjects()).includes(id));

    await banned(10_000, 60_000);
    w.later(minutes(12));
    await fail(20, { address: "203.0.113.2" });
    assert.ok((await subjects()).includes("203.0.113.2"));
    const left = await rows("sip_bans");
    assert.ok(left > 40_000 && left <= 50_002, `${left} rows are kept`);
  });

  it("bindings that expired, of a box that is no more, too, and logins that ended are gone a day later", async () => {
    const { id, username } = await credential();
    await registered(username, office);
    const left = () =>
      w.store.read(async (tx) => [
        (await tx.all("SELECT box FROM sip_registrations")).length,
        (await tx.all("SELECT username FROM sip_logins WHERE credential_id = ?", [id])).length,
      ]);
    await w.store.write(async (tx) => {
      await endSipLogins(tx, id, w.clock.nowMs(), w.clock.nowMs());
    });
    w.later(hours(71));
    await failures.flush();
    assert.deepEqual(await left(), [1, 1]);
    w.later(hours(2));
    await failures.flush();
    assert.deepEqual(await left(), [0, 0]);
  });

  it("a command bans, lists, and lifts; each is in the audit log, and what led to it is forgotten", async () => {
    const { id } = await credential();
    const added = await w.told("bans", "add", stranger, "--for", "6h", "--reason", "a scanner");
    assert.deepEqual([added["note"], added["reason"]], ["a scanner", "operator"]);
    assert.equal(Date.parse(String(added["until"])) - Date.parse(String(added["since"])), hours(6));
    await w.told("bans", "add", id, "--for", "7d");
    const { lines } = await w.operator("bans", "list");
    assert.deepEqual(new Set(lines.map(({ subject }) => subject)), new Set([stranger, id]));
    const lifted = await w.told("bans", "lift", stranger);
    assert.notEqual(lifted["lifted_at"], null);
    assert.deepEqual(await subjects(), [id]);
    await fail(20);
    await w.told("bans", "lift", stranger);
    await fail(19);
    assert.deepEqual(await subjects(), [id]);
    await fail(1);
    assert.equal(lastsMs((await bans()).find(({ subject }) => subject === stranger)!), minutes(10));
    const audited = await w.store.read((tx) =>
      tx.all<{ action: string; workspaceId: string | null }>(
        "SELECT action, workspace_id FROM audit_entries WHERE action LIKE 'bans %' ORDER BY id",
      ),
    );
    assert.deepEqual(
      audited.map(({ action, workspaceId }) => [action, workspaceId]),
      [
        ["bans add", null],
        ["bans add", wanjiru.id],
        ["bans lift", null],
        ["bans lift", null],
      ],
    );
  });

  it("a call that is refused tells who banned: failed logins, or an operator", async () => {
    const { id } = await credential();
    const told = async (address: string): Promise<string> => {
      const device = { credentialId: id, address, maxConcurrentCalls: 10, maxCallsPerSecond: 5 };
      const asked = w.store.read((tx) =>
        requireNoBan(tx, { ...device, rateMicroKesPerMinute: 0 }, w.clock.nowMs()),
      );
      return asked.then(
        () => "let in",
        (error: unknown) => (error as Error).message,
      );
    };
    assert.equal(await told(stranger), "let in");
    await fail(20);
    assert.match(await told(stranger), /^Logins failed too often from the device's address/);
    await w.told("bans", "add", stranger, "--for", "1h");
    assert.equal(await told(stranger), "The operator has banned the device's address.");
    await w.told("bans", "add", id, "--for", "1h");
    assert.equal(await told("198.51.100.99"), "The operator has banned this SIP credential.");
  });

  it("a command says what it does not take", async () => {
    await writeFile(
      join(w.folder, "trunks.yaml"),
      "trunks: [{ name: safari, host: 192.0.2.77 }, { name: two, host: 192.0.2.78, addresses: [192.0.2.79] }]",
    );
    const wrong = [
      [["add", stranger], /--for "" is no time like 30m/],
      [["add", stranger, "--for", "0m"], /--for "0m"/],
      [["add", stranger, "--for", "9999d"], /--for "9999d"/],
      [["add", "2001:db8::1", "--for", "1h"], /is neither an IPv4 address nor/],
      [["add", "sip_01j00000000000000000000001", "--for", "1h"], /There is no SIP credential/],
      [["add", "127.0.0.1", "--for", "1h"], /127\.0\.0\.1 is never banned/],
      [["add", "192.0.2.77", "--for", "1h"], /192\.0\.2\.77 is never banned: BAN_NEVER, a trunk/],
      [["add", "192.0.2.79", "--for", "1h"], /192\.0\.2\.79 is never banned: BAN_NEVER, a trunk/],
      [["lift", stranger], /203\.0\.113\.7 is not banned/],
      [["lift"], /neither an IPv4 address/],
    ] as const;
    await Promise.all(
      wrong.map(async ([args, said]) => {
        const { code, stderr } = await w.operator("bans", ...args);
        assert.equal(code, 1, args.join(" "));
        assert.match(stderr, said);
      }),
    );
  });
});
