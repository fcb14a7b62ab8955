import assert from "node:assert/strict";
import { isError } from "../../engine/errors.ts";
import type { Fields } from "../../engine/switch/codec.ts";
import { checkPassword, Connection, type ConnectionOptions } from "../../engine/switch/connection.ts";
import { FakeSwitch, ManualClock, password, until, type Answer } from "./peers.ts";

describe("A connection to the switch", () => {
  let fake: FakeSwitch;
  let clock: ManualClock;
  const opened: Connection[] = [];

  beforeEach(async () => {
    fake = await FakeSwitch.start();
    clock = new ManualClock();
  });
  afterEach(async () => {
    for (const connection of opened.splice(0)) connection.close("test over");
    await fake.stop();
  });

  async function open(more: Partial<ConnectionOptions> = {}, answer?: Answer): Promise<Connection> {
    if (answer !== undefined) fake.answer = answer;
    const connection = await Connection.open({
      host: "127.0.0.1",
      port: fake.port,
      password,
      clock,
      connectTimeoutMs: 3000,
      commandTimeoutMs: 5000,
      ...more,
    });
    opened.push(connection);
    return connection;
  }

  it("gives each reply to its own command, in order", async () => {
    const connection = await open({}, ({ firstLine }, peer) => peer.result(`+OK ${firstLine}\n`));
    const replies = await Promise.all(["api a", "api b", "api c"].map((line) => connection.send({ line })));
    assert.deepEqual(replies, ["+OK api a", "+OK api b", "+OK api c"]);
  });

  it("swallows a reply that comes too late, and does not give it to the next command", async () => {
    const connection = await open();
    const first = connection.send({ line: "api first" });
    await until(() => fake.commands.length === 1);
    clock.advance(5000);
    await assert.rejects(first, (error) => isError(error, "switch.unknown_outcome"));

    const second = connection.send({ line: "api second" });
    await until(() => fake.commands.length === 2);
    fake.peers[0]?.result("+OK first");
    fake.peers[0]?.result("+OK second");

    assert.equal(await second, "+OK second");
    assert.equal(connection.pending, 0);
  });

  it("ends when a reply is overdue by three time-outs", async () => {
    const connection = await open();
    void connection.send({ line: "api first" }).catch(() => undefined);
    clock.advance(5000 + 15_000);
    assert.equal(await connection.closed, "a reply is overdue");
  });

  it("rejects all that wait when it breaks, and refuses what comes after", async () => {
    const connection = await open();
    const waiting = [connection.send({ line: "api a" }), connection.send({ line: "api b" })];
    await until(() => fake.commands.length === 2);
    fake.drop();
    for (const result of await Promise.allSettled(waiting)) {
      assert.ok(result.status === "rejected" && isError(result.reason, "switch.unknown_outcome"));
    }
    await assert.rejects(connection.send({ line: "api c" }), (error) => isError(error, "switch.unavailable"));
  });

  it("ends with the switch's notice that it disconnects", async () => {
    const connection = await open();
    fake.peers[0]?.raw("text/disconnect-notice", Buffer.from("Disconnected, goodbye.\n"));
    assert.equal(await connection.closed, "the switch ended the connection");
  });

  for (const [what, text] of [
    ["a reply to nothing", "Content-Type: command/reply\nReply-Text: +OK\n\n"],
    ["a negative length", "Content-Length: -5\n\n"],
    ["a length beyond reason", "Content-Length: 99999999\n\n"],
  ] as const) {
    it(`ends on ${what}`, async () => {
      const connection = await open();
      fake.peers[0]?.socket.write(text);
      assert.match(await connection.closed, /^protocol error/);
    });
  }

  it("is not opened with the wrong password", async () => {
    await assert.rejects(open({ password: "wrong" }), (error) => isError(error, "switch.unavailable"));
  });

  for (const weak of ["", "ClueCon", "a\n\napi shutdown"]) {
    it(`is not tried with the password ${JSON.stringify(weak)}`, async () => {
      await assert.rejects(open({ password: weak }), RangeError);
      assert.throws(() => checkPassword(weak), RangeError);
      assert.equal(fake.peers.length, 0);
    });
  }

  it("gives up on a switch that says nothing", async () => {
    fake.greeting = "";
    const opening = open();
    await until(() => fake.peers.length === 1);
    clock.advance(3000);
    await assert.rejects(opening, (error) => isError(error, "switch.unavailable"));
  });

  it("gives up when nobody listens, when the access list refuses it, and when it is aborted", async () => {
    fake.greeting = "Content-Type: text/rude-rejection\nContent-Length: 24\n\nAccess Denied, go away.\n";
    await assert.rejects(open(), /access list/);
    fake.greeting = "";
    const abort = new AbortController();
    const opening = open({ signal: abort.signal });
    abort.abort();
    await assert.rejects(opening, (error) => isError(error, "switch.unavailable"));
    await fake.stop();
    await assert.rejects(open(), (error) => isError(error, "switch.unavailable"));
  });

  it("sends no argument that would be a second command", async () => {
    const connection = await open();
    assert.throws(() => connection.send({ line: "api uuid_kill x\n\napi shutdown" }), RangeError);
    assert.equal(connection.pending, 0);
  });

  it("goes on after an event with a caller's name in no known encoding", async () => {
    const names: (string | undefined)[] = [];
    const onEvent = (fields: Fields | undefined) => void names.push(fields?.("Caller-Caller-ID-Name"));
    const connection = await open({ onEvent }, (_, peer) => peer.result("+OK"));
    const json = Buffer.from('{"Caller-Caller-ID-Name":"Jos\xe9"}', "latin1");
    fake.peers[0]?.raw("text/event-json", json);
    fake.peers[0]?.raw("text/event-json", Buffer.from("{torn"));
    fake.peers[0]?.raw("text/event-plain", Buffer.from("Caller-Caller-ID-Name: Jos%E9 100%\n\n"));
    assert.equal(await connection.send({ line: "api version2" }), "+OK");
    assert.deepEqual(names, ["Jos\ufffd", undefined, "Jos\ufffd 100%"]);
  });
});
