import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock, type Clock } from "../../engine/clock.ts";
import { systemIds } from "../../engine/ids.ts";
import { createMailQueue, type Mail } from "../../engine/mail/mail-queue.ts";
import { MailSender } from "../../engine/mail/mail-sender.ts";
import { folderTransport, smtpTransport, type MailTransport } from "../../engine/mail/mail-transport.ts";
import type { MailRow } from "../../engine/store/mails.ts";
import type { Store } from "../../engine/store/store.ts";
import { PostOffice } from "./post-office.ts";
import { openTestStore } from "../store/test-database.ts";
import { silentLog } from "../switch/peers.ts";

const ids = systemIds(systemClock);
const from = "Sautikit <billing@sautikit.example>";

describe("mails", () => {
  const office = new PostOffice();
  let folder: string;
  let store: Store;
  /** Moved by hand. */
  let nowMs = Date.UTC(2026, 10, 29);
  const clock: Clock = { ...systemClock, nowMs: () => nowMs };
  const queue = createMailQueue({ ids, clock, wake: () => undefined });
  before(async () => {
    await office.open();
    folder = await mkdtemp(join(tmpdir(), "sautikit-mail-"));
    store = await openTestStore();
  });
  after(async () => {
    await store.close();
    await office.close();
    await rm(folder, { recursive: true, force: true });
  });
  beforeEach(async () => {
    office.received.length = 0;
    office.refusals.clear();
    await store.write((tx) => tx.run("DELETE FROM mails"));
  });

  const mail = (to: string[], key = "low balance txn_1"): Mail => {
    return {
      key,
      workspaceId: null,
      to,
      subject: "Your balance is low: KES 49",
      text: "Please top up.\n",
    };
  };
  const queued = (what: Mail) => store.write((tx) => queue.send(tx, what));
  const rows = () => store.read((tx) => tx.all<MailRow>("SELECT * FROM mails ORDER BY recipient"));
  async function sent(transport: MailTransport = smtpTransport({ url: office.url(), from })): Promise<void> {
    const sender = new MailSender({ store, transport, clock, ids, log: silentLog });
    await sender.look();
    transport.close();
  }

  it("are sent once to each recipient, however often they are queued and looked for", async () => {
    const both = mail(["wanjiru@example.com", "otieno@example.com"]);
    await queued(both);
    await queued({ ...both, to: ["otieno@example.com", "amina@example.com"] });
    await sent();
    await sent();
    const to = office.received.flatMap((one) => one.to).sort();
    assert.deepEqual(to, ["amina@example.com", "otieno@example.com", "wanjiru@example.com"]);
    const { text } = office.received[0]!;
    assert.match(text, /^From: Sautikit <billing@sautikit\.example>\r$/m);
    assert.match(text, /^Subject: Your balance is low: KES 49\r$/m);
    assert.match(text, /^Message-ID: <mail_[0-9a-z]{26}@sautikit\.example>\r$/m);
    assert.match(text, /^Habari,\r\n\r\nPlease top up\.\r$/m);
    for (const row of await rows()) assert.deepEqual([row.status, row.body], ["sent", ""]);
  });

  it("are not queued by a transaction that failed", async () => {
    const undone = store.write(async (tx) => {
      await queue.send(tx, mail(["wanjiru@example.com"]));
      throw new Error("undone");
    });
    await assert.rejects(undone, /undone/);
    assert.deepEqual(await rows(), []);
  });

  it("are tried again, ever later, while the server is busy, and arrive once it is not", async () => {
    office.refusals.set("wanjiru@example.com", 450);
    await queued(mail(["wanjiru@example.com"]));
    await sent();
    await sent();
    const [first] = await rows();
    assert.deepEqual([first!.status, first!.attempts], ["pending", 1]);
    assert.match(first!.lastError!, /refused/);
    const pauseMs = first!.nextAttemptAtMs! - nowMs;
    assert.ok(pauseMs >= 15_000 && pauseMs <= 30_000, `${pauseMs} ms`);
    nowMs += 30_000;
    await sent();
    const [second] = await rows();
    assert.ok(second!.nextAttemptAtMs! - nowMs >= 60_000);
    office.refusals.clear();
    nowMs += 120_000;
    await sent();
    assert.equal(office.received.length, 1);
    assert.equal((await rows())[0]!.attempts, 3);
  });

  it("that were queued while the clock was an hour ahead are sent once it is set right", async () => {
    nowMs += 3_600_000;
    await queued(mail(["wanjiru@example.com"]));
    nowMs -= 3_600_000;
    await sent();
    assert.equal(office.received.length, 1);
  });

  it("are given up where the server refuses for good, and after eight tries", async () => {
    office.refusals.set("nobody@example.com", 550);
    office.refusals.set("wanjiru@example.com", 450);
    await queued(mail(["nobody@example.com", "wanjiru@example.com"]));
    for (let tries = 0; tries < 10; tries++) {
      await sent();
      nowMs += 86_400_000;
    }
    const [nobody, wanjiru] = await rows();
    assert.deepEqual([nobody!.status, nobody!.attempts, nobody!.body], ["failed", 1, ""]);
    assert.deepEqual([wanjiru!.status, wanjiru!.attempts, wanjiru!.body], ["failed", 8, ""]);
  });

  it("hold up nobody else's when one is refused", async () => {
    office.refusals.set("nobody@example.com", 450);
    const many = Array.from({ length: 25 }, (_, index) => `person-${index}@example.com`);
    await queued(mail(["nobody@example.com", ...many]));
    await sent();
    assert.equal(office.received.length, 25);
  });

  it("whose sender died in between are tried again after two minutes, under the same Message-ID", async () => {
    await queued(mail(["wanjiru@example.com"]));
    const post = smtpTransport({ url: office.url(), from });
    // The server has it, and then the process is gone: what was to be recorded is not.
    const dying: MailTransport = {
      ...post,
      async send(one) {
        await post.send(one);
        await new Promise(() => undefined);
      },
    };
    void new MailSender({ store, transport: dying, clock, ids, log: silentLog }).look();
    while (office.received.length === 0) await systemClock.sleep(5);
    post.close();
    await sent();
    assert.equal(office.received.length, 1, "it is somebody's for now");
    nowMs += 120_000;
    await sent();
    const messageIds = office.received.map(({ text }) => /^Message-ID: (.*)$/m.exec(text)?.[1]);
    assert.equal(messageIds.length, 2);
    assert.equal(messageIds[0], messageIds[1]);
  });

  it("are taken by one of two senders that look at once", async () => {
    await queued(mail(Array.from({ length: 8 }, (_, index) => `person-${index}@example.com`)));
    await Promise.all([sent(), sent()]);
    assert.equal(office.received.length, 8);
  });

  it("cannot be made to have more headers, or files, by what is in them", async () => {
    const subject = "KES 49\r\nBcc: mallory@example.com";
    await queued({ ...mail(["wanjiru@example.com"]), subject });
    await sent();
    assert.deepEqual(office.received[0]!.to, ["wanjiru@example.com"]);
    assert.doesNotMatch(office.received[0]!.text, /^Bcc:/m);
  });

  it("say that the password is wrong, and stay", async () => {
    await queued(mail(["wanjiru@example.com"]));
    await sent(smtpTransport({ url: office.url("wrong"), from }));
    const [row] = await rows();
    assert.equal(row!.status, "pending");
    assert.match(row!.lastError!, /login|password/i);
    assert.doesNotMatch(row!.lastError!, /:wrong/);
  });

  it("without a server have a text beside them, with its links whole", async () => {
    const link = `http://127.0.0.1:8080/sign-in?token=${"A_b-9".repeat(40)}`;
    const text = `Wanjirũ wants to know it is you:\n\n${link}\n\nIt works once.\n`;
    await queued({ ...mail(["wanjiru@example.co.ke"]), text });
    const directory = join(folder, "links");
    await sent(folderTransport({ directory, from }));
    const files = (await readdir(directory)).sort();
    assert.match(files.join(" "), /^(mail_\w+)\.eml \1\.txt$/);
    const path = join(directory, files[1]!);
    assert.equal(
      await readFile(path, "utf8"),
      `To: wanjiru@example.co.ke\nSubject: Your balance is low: KES 49\n\nHabari,\n\n${text}`,
    );
    assert.equal((await stat(path)).mode & 0o777, 0o600);
  });

  it("without a server are files for their owner alone", async () => {
    await queued(mail(["wanjiru@example.com"]));
    await sent(folderTransport({ directory: join(folder, "mail"), from }));
    const [file] = await readdir(join(folder, "mail"));
    const path = join(folder, "mail", file!);
    assert.match(await readFile(path, "utf8"), /^To: wanjiru@example\.com$/m);
    assert.equal((await stat(path)).mode & 0o777, 0o600);
  });
});
