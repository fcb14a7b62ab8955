import assert from "node:assert/strict";
import { once } from "node:events";
import esl from "modesl";
import { startCarrierProcess, type CarrierProcess } from "../peers/carrier-process.ts";
import { startSwitchUnderTest, type SwitchUnderTest } from "../peers/switch-under-test.ts";
import { eventually } from "../peers/waiting.ts";
import { describeContract } from "./report.ts";
import { ids, numbers } from "./world.ts";

type Client = InstanceType<typeof esl.Connection>;
type Reply = Parameters<Parameters<Client["api"]>[1]>[0];

describeContract("the contract of the switch: an independent client understands it", function () {
  this.timeout(60_000);
  let carrier: CarrierProcess;
  let box: SwitchUnderTest;
  let client: Client;
  before(async () => {
    carrier = await startCarrierProcess();
    box = await startSwitchUnderTest({ carrier });
  });
  after(async () => {
    await box.stop();
    await carrier.stop();
  });
  beforeEach(async () => {
    await new Promise<void>((resolve) => {
      client = new esl.Connection(box.esl.host, box.esl.port, box.esl.password, resolve);
    });
  });
  afterEach(() => client.disconnect());

  const api = (command: string) =>
    new Promise<string>((resolve) => client.api(command, (reply) => resolve(reply.getBody())));
  const bgapi = (command: string) =>
    new Promise<string>((resolve) => client.bgapi(command, (reply) => resolve(reply.getBody())));

  it("lets nobody in with a wrong password, and hangs up", async () => {
    const refused = new esl.Connection(
      box.esl.host,
      box.esl.port,
      "not-the-password",
      () => undefined,
    ) as unknown as NodeJS.EventEmitter;
    const ended = once(refused, "esl::end");
    await once(refused, "esl::event::auth::fail");
    await ended;
  });

  it("says that it let somebody in, and goodbye to who leaves", async () => {
    const second = new esl.Connection(box.esl.host, box.esl.port, box.esl.password, () => undefined);
    const secondEmitter = second as unknown as NodeJS.EventEmitter;
    const [reply] = (await once(secondEmitter, "esl::event::auth::success")) as [Reply];
    assert.equal(reply.getHeader("Reply-Text"), "+OK accepted");

    const goodbye = once(secondEmitter, "esl::event::disconnect::notice");
    const ended = once(secondEmitter, "esl::end");
    const left = new Promise<Reply>((resolve) => second.sendRecv("exit", resolve));
    assert.equal((await left).getHeader("Reply-Text"), "+OK bye");
    const [notice] = (await goodbye) as [Reply];
    assert.match(notice.getBody(), /^Disconnected, goodbye\./);
    await ended;
    assert.match(await api("version"), /FreeSWITCH/, "the other client stays");
  });

  it("answers commands that were sent together in their order, api and not", async () => {
    const answers: string[] = [];
    const note = (reply: Reply) => answers.push(reply.getHeader("Reply-Text") ?? reply.getBody());
    const leg = ids.next("leg");
    await new Promise<void>((resolve) => {
      client.api(`uuid_kill ${leg}`, note);
      client.sendRecv("no-such-command", note);
      client.api("global_getvar core_uuid", note);
      client.sendRecv("noevents", note);
      client.sendRecv(`sendmsg ${leg}`, { "call-command": "hangup" }, note);
      client.api("nosuch", (reply) => {
        note(reply);
        resolve();
      });
    });
    const core = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
    const wanted = [
      /^-ERR No such channel!/,
      /^-ERR command not found/,
      core,
      /^\+OK/,
      /^-ERR invalid session id/,
      /^-ERR nosuch/,
    ];
    assert.equal(answers.length, wanted.length);
    for (const [index, pattern] of wanted.entries()) assert.match(answers[index]!, pattern);
  });

  it("answers api commands, also one that it does not know", async () => {
    assert.match(await api("version"), /FreeSWITCH/);
    assert.match(await api("nosuch"), /^-ERR nosuch Command not found!/);
    assert.match(await api(`uuid_kill ${ids.next("leg")}`), /^-ERR No such channel!/);
  });

  for (const format of ["json", "plain"] as const) {
    it(`runs a job, and tells of its call by events as ${format}`, async () => {
      await new Promise<void>((resolve) => {
        client.events(format, "CHANNEL_ANSWER CHANNEL_HANGUP_COMPLETE BACKGROUND_JOB", resolve);
      });
      const told: [name: string, event: Reply][] = [];
      for (const name of ["CHANNEL_ANSWER", "CHANNEL_HANGUP_COMPLETE"]) {
        client.on(`esl::event::${name}::*`, (event) => told.push([name, event]));
      }
      const leg = ids.next("leg");
      const target = `[origination_uuid=${leg},presence_data=${leg}]sofia/gateway/carrier/${numbers.answers440}`;
      assert.equal(
        (await bgapi(`originate {ignore_early_media=true}${target} &park()`)).trim(),
        `+OK ${leg}`,
      );
      assert.match(await api(`uuid_kill ${leg} NORMAL_CLEARING`), /^\+OK/);
      await eventually("the leg's two events", () => (told.length === 2 ? true : undefined));
      assert.deepEqual(
        told.map(([name, event]) => [name, event.getHeader("Unique-ID")]),
        [
          ["CHANNEL_ANSWER", leg],
          ["CHANNEL_HANGUP_COMPLETE", leg],
        ],
      );
      assert.equal(told[1]![1].getHeader("variable_hangup_cause"), "NORMAL_CLEARING");
    });
  }

  /** A leg that is up, as modesl dials it; the job under an id of our own. */
  async function dial(number: string): Promise<string> {
    const leg = ids.next("leg");
    const target = `[origination_uuid=${leg},presence_data=${leg}]sofia/gateway/carrier/${number}`;
    const job = leg.replace("leg_", "job-");
    const result = await new Promise<Reply>((resolve) =>
      client.bgapi("originate", `{ignore_early_media=true}${target} &park()`, job, resolve),
    );
    assert.equal(result.getBody(), `+OK ${leg}\n`);
    assert.equal(result.getHeader("Job-UUID"), job);
    return leg;
  }

  it("runs an application that was sent by message, tells its end, and hangs up by message", async () => {
    const leg = await dial(numbers.answers440);
    const ended = await new Promise<Reply>((resolve) =>
      client.execute("playback", "tone_stream://%(100,0,440)", leg, resolve),
    );
    const header = (name: string) => ended.getHeader(name);
    assert.deepEqual(
      [header("Event-Name"), header("Unique-ID"), header("Application"), header("Application-Response")],
      ["CHANNEL_EXECUTE_COMPLETE", leg, "playback", "FILE PLAYED"],
    );
    await new Promise<void>((resolve) => client.events("json", "CHANNEL_HANGUP_COMPLETE", resolve));
    const gone = new Promise<Reply>((resolve) =>
      client.on(`esl::event::CHANNEL_HANGUP_COMPLETE::${leg}`, resolve),
    );
    const headers = { "call-command": "hangup", "hangup-cause": "USER_BUSY" };
    const reply = await new Promise<Reply>((resolve) => client.sendRecv(`sendmsg ${leg}`, headers, resolve));
    assert.match(reply.getHeader("Reply-Text") ?? "", /^\+OK/);
    assert.equal((await gone).getHeader("variable_hangup_cause"), "USER_BUSY");
  });

  it("tells two clients the same of one call, in JSON and in plain text", async () => {
    const other = await new Promise<Client>((resolve) => {
      const made = new esl.Connection(box.esl.host, box.esl.port, box.esl.password, () => resolve(made));
    });
    const names = ["CHANNEL_ANSWER", "CHANNEL_HANGUP_COMPLETE"];
    const told = new Map<string, Record<string, string>>();
    for (const [format, one] of [
      ["json", client],
      ["plain", other],
    ] as const) {
      await new Promise<void>((resolve) => one.events(format, names.join(" "), resolve));
      for (const name of names)
        one.on(`esl::event::${name}::*`, ({ headers }) => {
          const entries = headers.filter(({ name: key }) => key !== "Content-Length");
          told.set(
            `${format} ${name}`,
            Object.fromEntries(entries.map(({ name: key, value }) => [key, value])),
          );
        });
    }
    const leg = await dial(numbers.answers440);
    await api(`uuid_kill ${leg}`);
    await eventually("both clients' events", () => (told.size === 4 ? true : undefined));
    for (const name of names) {
      const [json, plain] = [told.get(`json ${name}`)!, told.get(`plain ${name}`)!];
      assert.equal(json["Unique-ID"], leg);
      assert.ok(Object.keys(json).length > 50);
      assert.deepEqual(json, plain);
    }
    other.disconnect();
  });

  it("tells a client with a filter of that leg alone", async () => {
    await new Promise<void>((resolve) => client.events("json", "CHANNEL_HANGUP_COMPLETE", resolve));
    const [watched, unwatched] = [await dial(numbers.answers440), await dial(numbers.answers880)];
    await new Promise<Reply>((resolve) => client.filter("Unique-ID", watched, resolve));
    const told: (string | null)[] = [];
    client.on("esl::event::CHANNEL_HANGUP_COMPLETE::*", (event) => told.push(event.getHeader("Unique-ID")));
    assert.match(await api(`uuid_kill ${unwatched}`), /^\+OK/);
    await eventually("the other's end", async () =>
      (await api(`uuid_dump ${unwatched}`)).startsWith("-ERR") ? true : undefined,
    );
    assert.match(await api(`uuid_kill ${watched}`), /^\+OK/);
    await eventually("the watched leg's end", () => (told.length > 0 ? true : undefined));
    assert.deepEqual(told, [watched]);
  });

  it("lists its channels", async () => {
    const leg = await dial(numbers.answers440);
    const list = () =>
      new Promise<Record<string, string>[]>((resolve, reject) =>
        client.show("channels", "json", (error, { rows }) => (error ? reject(error) : resolve(rows))),
      );
    // The list lags.
    const row = await eventually("the leg in the list", async () =>
      (await list()).find(({ uuid }) => uuid === leg),
    );
    assert.deepEqual([row["presence_data"], row["callstate"], row["direction"]], [leg, "ACTIVE", "outbound"]);
    await api(`uuid_kill ${leg}`);
    await eventually("its end in the list", async () =>
      (await list()).some(({ uuid }) => uuid === leg) ? undefined : true,
    );
  });
});
