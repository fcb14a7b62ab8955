import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "../../../engine/clock.ts";
import { systemIds } from "../../../engine/ids.ts";
import type { Log } from "../../../engine/log.ts";
import { createHepSender, type HepSender } from "../../../engine/simulator/sip/hep-sender.ts";
import { SipTrace } from "../../../engine/sip/trace/sip-trace.ts";
import type { Store } from "../../../engine/store/store.ts";
import { eventually } from "../../peers/waiting.ts";
import { databaseKind, openTestStore } from "../../store/test-database.ts";

const host = "127.0.0.1";
const [ours, theirs] = [
  { host, port: 5060 },
  { host: "192.0.2.7", port: 5060 },
];
const clock = systemClock;
const ids = systemIds(clock);
const quiet: Log = {
  ...{ debug: () => undefined, info: () => undefined, error: () => undefined },
  warn: (...said: unknown[]) => assert.ok(false, JSON.stringify(said)),
};

describe(`what captures of SIP come to, on ${databaseKind}`, function () {
  this.timeout(30_000);
  let store: Store;
  let trace: SipTrace;
  let port: number;
  let hep: HepSender;
  const open = (at = 0, its = store) =>
    new SipTrace({ ...{ store: its, clock, ids, host, days: 14, log: quiet }, port: at });
  before(async () => {
    store = await openTestStore();
    await store.write(async (tx) => {
      for (const [n, name] of Object.entries({ 1: "Wanjiru", 2: "Otieno" }))
        await tx.run(
          "INSERT INTO workspaces (id, name, created_at_ms, mpesa_account_ref) VALUES (?, ?, 1, ?)",
          [`ws_${n}`, name, `W${n}`],
        );
      for (const [n, workspace] of Object.entries({ 1: "ws_1", 2: "ws_2", 3: "ws_1" }))
        await tx.run(
          `INSERT INTO calls (id, workspace_id, direction, from_e164, to_e164, status, options, created_at_ms,
             updated_at_ms)
           VALUES (?, ?, 'outbound', '+254200000001', '+254712345678', 'answered', '{}', 1, 1)`,
          [`call_${n}`, workspace],
        );
    });
    trace = open();
    port = (await trace.open())!;
    trace.start();
    hep = createHepSender({ host, port }, clock);
  });
  after(async () => {
    hep.close();
    await trace.stop();
    await store.close();
  });

  let legs = 0;
  const leg = async (
    sipCallId: string,
    call = "call_1",
    endedAtUs: number | null = null,
  ): Promise<string> => {
    const id = `leg_${String(++legs)}`;
    await store.write((tx) =>
      tx.run(
        `INSERT INTO legs (id, call_id, workspace_id, position, kind, direction, from_e164, to_e164, status, box,
           rate_micro_kes_per_minute, created_at_ms, max_duration_seconds, cut_after_seconds, sip_call_id, ended_at_us)
         SELECT ?, id, workspace_id, CAST(? AS BIGINT), 'pstn', 'outbound', '+254200000001', '+254712345678', 'answered',
           'b', 1, 1, 60, 60, ?, CAST(? AS BIGINT) FROM calls WHERE id = ?`,
        [id, legs, sipCallId, endedAtUs, call],
      ),
    );
    return id;
  };
  const kept = async (id: string) =>
    (
      await store.read((tx) =>
        tx.all<{ direction: string; summary: string }>(
          "SELECT direction, summary FROM sip_messages WHERE leg_id = ? ORDER BY id",
          [id],
        ),
      )
    ).map(({ direction, summary }) => `${direction} ${summary}`);
  const message = (
    start: string,
    callId: string,
    method: string,
    tag = "",
    alphabet: BufferEncoding = "utf8",
  ) =>
    Buffer.from(
      `${start}\r\nVia: SIP/2.0/UDP x\r\nTo: <sip:a@b>${tag}\r\nCall-ID: ${callId}\r\nCSeq: 1 ${method}\r\n\r\n`,
      alphabet,
    );
  const invite = (callId: string) =>
    hep.send(message("INVITE sip:a@b SIP/2.0", callId, "INVITE"), ours, theirs);
  const bye = (callId: string) =>
    hep.send(message("BYE sip:a@b SIP/2.0", callId, "BYE", ";tag=1"), theirs, ours);

  it("of a dialog that is nobody's yet waits until it is, and is stored in its order", async () => {
    invite("early");
    await sleep(700);
    const id = await leg("early");
    bye("early");
    await eventually("both", async () => ((await kept(id)).length === 2 ? true : undefined), { everyMs: 50 });
    assert.deepEqual(await kept(id), ["sent INVITE sip:a@b", "received BYE sip:a@b"]);
  });

  it("is nothing where it is a registration, a ping, or no SIP at all", async () => {
    const id = await leg("register");
    for (const method of ["REGISTER", "OPTIONS", "MESSAGE", "SUBSCRIBE"])
      hep.send(message(`${method} sip:a@b SIP/2.0`, "register", method), theirs, ours);
    const socket = createSocket("udp4");
    for (const bytes of ["", "HEP3", "HEP3\0\x0c\0\0\0\x0f\0\x02", "x".repeat(60_000)])
      socket.send(Buffer.from(bytes), port, host);
    invite("register");
    await eventually("the call's own", async () => ((await kept(id)).length > 0 ? true : undefined), {
      everyMs: 50,
    });
    socket.close();
    assert.deepEqual(await kept(id), ["sent INVITE sip:a@b"]);
  });

  it("is bounded: strangers' floods are let go, and a call that comes behind is kept", async () => {
    const before = trace.counts.dropped;
    // A busy machine's kernel loses some.
    const flood = trace.counts.received + 12_000;
    for (let n = 0; trace.counts.received < flood; n++) {
      invite(`stranger-${String(n)}`);
      if (n % 200 === 0) await sleep(5);
    }
    // What the kernel still holds of the flood leaves no room for one more.
    for (let seen = -1; seen !== trace.counts.received; await sleep(200)) seen = trace.counts.received;
    const id = await leg("behind");
    invite("behind");
    await eventually("the call behind", async () => ((await kept(id)).length === 1 ? true : undefined), {
      everyMs: 50,
    });
    assert.ok(trace.counts.dropped > before, "the oldest went");
  });

  it("goes on past what no database takes, and is served without the passwords that the wire has", async () => {
    const id = await leg("poisoned");
    hep.send(message("INVITE sip:a@b SIP/2.0", "no\0text", "INVITE"), theirs, ours);
    hep.send(message("INVITE sip:a\0@b SIP/2.0", "poisoned", "INVITE"), ours, theirs);
    hep.send(message("INVITE sip:a:s3cr3t@b SIP/2.0", "poisoned", "INVITE"), ours, theirs);
    hep.send(message("SIP/2.0 486 Busy\u0000", "poisoned", "INVITE"), theirs, ours);
    // In old alphabets' bytes.
    hep.send(message("SIP/2.0 486 Busy \xff", "poisoned", "INVITE", "", "latin1"), theirs, ours);
    bye("poisoned");
    await eventually("the last", async () => ((await kept(id)).length === 3 ? true : undefined), {
      everyMs: 50,
    });
    assert.deepEqual(await kept(id), [
      ...["sent INVITE sip:a:***@b", "received 486 Busy \ufffd", "received BYE sip:a@b"],
    ]);
  });

  it("of one dialog is kept though others' cannot be asked for, as when a look of many fails in part", async () => {
    let reads = 0;
    const failing: Store = {
      ...store,
      read: (work) => (++reads === 1 ? Promise.reject(new Error("no")) : store.read(work)),
    };
    const another = open(0, failing);
    const to = createHepSender({ host, port: (await another.open())! }, clock);
    const id = await leg("after-500");
    for (let n = 0; n < 500; n++)
      to.send(message("INVITE sip:a@b SIP/2.0", `other-${String(n)}`, "INVITE"), ours, theirs);
    to.send(message("INVITE sip:a@b SIP/2.0", "after-500", "INVITE"), ours, theirs);
    await eventually("all", () => (another.counts.received === 501 ? true : undefined), {
      everyMs: 20,
    });
    // Its last look is its only one.
    await another.stop();
    to.close();
    assert.deepEqual([reads, await kept(id)], [2, ["sent INVITE sip:a@b"]]);
  });

  it("of one leg is kept so far and no farther", async () => {
    const id = await leg("endless");
    invite("endless");
    for (let n = 0; n < 4; n++) {
      for (let one = 0; one < 100; one++) bye("endless");
      await sleep(600);
    }
    assert.equal((await kept(id)).length, 300);
  });

  it("of one call is kept so far and no farther, however many legs it has", async () => {
    const before = await leg("before", "call_3");
    await store.write(async (tx) => {
      for (let n = 0; n < 1_999; n++)
        await tx.run(
          `INSERT INTO sip_messages (id, workspace_id, call_id, leg_id, at_us, direction, transport, method, summary,
             message, created_at_ms) VALUES (?, 'ws_1', 'call_3', ?, 1, 'sent', 'udp', 'BYE', 'BYE', 'BYE', ?)`,
          [`sipm_${String(n)}`, before, clock.nowMs()],
        );
    });
    const id = await leg("another", "call_3");
    const dropped = trace.counts.dropped;
    invite("another");
    bye("another");
    await eventually("both", () => (trace.counts.dropped === dropped + 1 ? true : undefined), {
      everyMs: 50,
    });
    assert.deepEqual(await kept(id), ["sent INVITE sip:a@b"]);
  });

  it("is the live leg's, not that of one which had its Call-ID long ago", async () => {
    const longAgo = await leg("again", "call_2", (clock.nowMs() - 600_000) * 1000);
    const id = await leg("again");
    invite("again");
    bye("again");
    await eventually("both", async () => ((await kept(id)).length === 2 ? true : undefined), { everyMs: 50 });
    assert.deepEqual(await kept(longAgo), []);
    const ended = await leg("just-over", "call_1", (clock.nowMs() - 60_000) * 1000);
    bye("just-over");
    await eventually("the last", async () => ((await kept(ended)).length === 1 ? true : undefined), {
      everyMs: 50,
    });
  });

  it("is nobody's where legs of two workspaces have the Call-ID, from then on", async () => {
    const [ours, others] = [await leg("twice"), await leg("twice", "call_2")];
    invite("twice");
    const first = await leg("second-comes");
    invite("second-comes");
    await eventually("the INVITE", async () => ((await kept(first)).length === 1 ? true : undefined), {
      everyMs: 50,
    });
    const second = await leg("second-comes", "call_2");
    bye("second-comes");
    await sleep(1_200);
    assert.deepEqual(await Promise.all([ours, others, second].map(kept)), [[], [], []]);
    assert.deepEqual(await kept(first), ["sent INVITE sip:a@b"]);
  });

  it("says received of what the far end sends, though it begins a dialog with a Call-ID of ours", async () => {
    const otieno = { host: "192.0.2.9", port: 5060 };
    const begin = (callId: string) =>
      hep.send(message("INVITE sip:a@b SIP/2.0", callId, "INVITE"), otieno, ours);
    const [known, next] = [await leg("known"), await leg("next")];
    hep.send(message("INVITE sip:a@b SIP/2.0", "known", "INVITE"), ours, otieno);
    await eventually("ours", async () => ((await kept(known)).length === 1 ? true : undefined), {
      everyMs: 50,
    });
    begin("known");
    begin("next");
    await eventually("theirs", async () => ((await kept(next)).length === 1 ? true : undefined), {
      everyMs: 50,
    });
    assert.deepEqual(await Promise.all([known, next].map(kept)), [
      ["sent INVITE sip:a@b", "received INVITE sip:a@b"],
      ["received INVITE sip:a@b"],
    ]);
  });

  it("of an attempt that failed is its leg's, and is nobody's where another workspace's leg has its Call-ID too", async () => {
    const id = await leg("second@x");
    const attempt = (sipCallId: string, ordinal: number) =>
      store.write((tx) =>
        tx.run(
          `INSERT INTO leg_attempts (leg_id, ordinal, trunk, dialled, started_at_us, ended_at_us, sip_call_id)
           VALUES (?, CAST(? AS BIGINT), 'safari', '+254712345678', 1, 2, ?)`,
          [id, ordinal, sipCallId],
        ),
      );
    await attempt("first@x", 1);
    await attempt("shared@x", 2);
    const other = await leg("shared@x", "call_2");
    for (const name of ["shared@x", "first@x", "second@x"]) invite(name);
    await eventually("two", async () => (await kept(id)).length === 2 || undefined);
    await sleep(1_500);
    assert.deepEqual([(await kept(id)).length, (await kept(other)).length], [2, 0]);
    // Once a leg of another workspace has it, what comes of it is nobody's, though the one was known before.
    const thief = await leg("first@x", "call_2");
    bye("first@x");
    await sleep(1_200);
    assert.deepEqual([(await kept(id)).length, (await kept(thief)).length], [2, 0]);
  });

  it("of a leg that was erased is not kept any more", async () => {
    const id = await leg("erased");
    invite("erased");
    await eventually("the INVITE", async () => ((await kept(id)).length === 1 ? true : undefined), {
      everyMs: 50,
    });
    await store.write((tx) => tx.run("UPDATE legs SET sip_call_id = NULL WHERE id = ?", [id]));
    bye("erased");
    await sleep(800);
    assert.equal((await kept(id)).length, 1);
  });

  it("is forgotten when it is old", async () => {
    await store.write((tx) => tx.run("UPDATE sip_messages SET created_at_ms = 1 WHERE leg_id = 'leg_1'"));
    const another = open();
    another.start();
    await eventually(
      "the old ones' end",
      async () => ((await kept("leg_1")).length === 0 ? true : undefined),
      {
        everyMs: 50,
      },
    );
    await another.stop();
    assert.ok((await kept("leg_4")).length > 0, "the others stay");
  });

  it("is nothing where the port is another's, and nobody minds", async () => {
    const socket = createSocket("udp4").bind(0, host);
    await once(socket, "listening");
    const another = open(socket.address().port);
    assert.equal(await another.open(), null);
    another.start();
    await another.stop();
    socket.close();
  });
});
