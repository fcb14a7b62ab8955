import { strict as assert } from "node:assert";
import { once } from "node:events";
import { spawn } from "node:child_process";
import esl from "modesl";
import { startSimulatedSwitch } from "../../../engine/simulator/switch/simulated-switch.ts";
import { openBox, parkedLeg, password, type Box } from "./box.ts";
import { EslClient, headersOf } from "./esl-client.ts";

describe("the ESL server", () => {
  let box: Box;
  beforeEach(async () => {
    box = await openBox();
  });
  afterEach(() => box.close());

  it("lets nobody in with a wrong password, and hangs up", async () => {
    const stranger = await EslClient.open(box.simulated.eslPort);
    const closed = once(stranger.socket, "close");
    assert.equal((await stranger.command("auth ClueCon")).headers["Reply-Text"], "-ERR invalid");
    assert.equal((await stranger.frame()).headers["Content-Type"], "text/disconnect-notice");
    await closed;
  });

  it("says nothing to those who have not logged in", async () => {
    const stranger = await EslClient.open(box.simulated.eslPort);
    assert.equal((await stranger.command("api status")).headers["Reply-Text"], "-ERR command not found");
    await parkedLeg(box, "A", "silent");
    assert.deepEqual(stranger.events, []);
    stranger.close();
  });

  it("refuses to start with the password that everybody knows, or none", async () => {
    for (const eslPassword of ["ClueCon", ""]) {
      await assert.rejects(
        startSimulatedSwitch({
          eslHost: "127.0.0.1",
          eslPort: 0,
          eslPassword,
          sipHost: "127.0.0.1",
          sipPort: 0,
          gateways: {},
          cdrDir: box.folder,
        }),
        /password/,
      );
    }
  });

  it("says what it is", async () => {
    assert.match(await box.client.api("version"), /^Sautikit simulator .* FreeSWITCH 1\.11\.1/);
    assert.match(await box.client.api("status"), /^UP 0 years/);
  });

  // Every reply is the real switch's.
  for (const [command, reply] of [
    ["uuid_kill", "-USAGE: <uuid> [cause]\n"],
    ["uuid_kill nope", "-ERR No such channel!\n"],
    ["uuid_setvar A x y z", "+OK\n"],
    ["uuid_setvar A", "-USAGE: <uuid> <var> [value]\n"],
    ["uuid_setvar nope x y", "-ERR No such channel!\n"],
    ["uuid_getvar A none", "_undef_"],
    ["uuid_dump nope", "-ERR No such channel!\n"],
    ["uuid_exists A", "true"],
    ["uuid_exists nope", "false"],
    ["uuid_break nope", "-ERR No such channel!\n"],
    ["uuid_broadcast nope x", "-ERR invalid uuid\n"],
    ["uuid_record nope start x", "-ERR Cannot locate session!\n"],
    ["uuid_bridge A nope", "-ERR Invalid uuid\n"],
    ["uuid_transfer nope park inline", "-ERR No such channel!\n"],
    ["uuid_answer nope", "-ERROR\n"],
    ["uuid_send_dtmf nope 1", "-ERR Cannot locate session!\n"],
    ["uuid_send_dtmf A 12", "+OK A sent DTMF 12.\n"],
    ["sched_api +5", "-ERR Invalid syntax. USAGE: [+@]<time> <group_name> <command_string>[&]\n"],
    ["sched_api +9 gg uuid_kill x", "+OK Added: 1\n"],
    ["sched_hangup +5 nope", "-ERR No such channel!\n"],
    ["sched_hangup +100 A", "+OK\n"],
    ["sched_del none", "+OK Deleted: 0\n"],
    ["show channels as json", '{"row_count": 0}\n'],
    ["nope x", "-ERR nope Command not found!\n"],
    [
      "hupall NORMAL_CLEARING foo bar",
      "+OK hangup all channels matching [foo]=[bar] with cause: NORMAL_CLEARING\n",
    ],
  ] as const) {
    it(`api ${command} answers ${JSON.stringify(reply.trim())}`, async () => {
      await parkedLeg(box, "A", "silent");
      assert.equal(await box.client.api(command), reply);
    });
  }

  for (const [command, reply] of [
    ["nope", "-ERR command not found"],
    ["api", "-ERR command not found"],
    ["event", "-ERR no keywords supplied"],
    ["event json", "-ERR no keywords supplied"],
    ["event plain CHANNEL_ANSWER", "+OK event listener enabled plain"],
    ["nixevent CHANNEL_ANSWER", "+OK events nixed"],
    ["noevents", "+OK no longer listening for events"],
    ["filter a b", "+OK filter added. [a]=[b]"],
    ["filter delete a", "+OK filter deleted. [a][]"],
    ["sendmsg nope\ncall-command: hangup", "-ERR invalid session id [nope]"],
    ["bgapi status\nJob-UUID: myjob", "+OK Job-UUID: myjob"],
    ["exit", "+OK bye"],
  ] as const) {
    it(`${JSON.stringify(command)} is answered ${reply}`, async () => {
      assert.equal((await box.client.command(command)).headers["Reply-Text"], reply);
    });
  }

  it("sends only what was asked for", async () => {
    const client = await EslClient.login(box.simulated.eslPort, password, "CHANNEL_ANSWER CHANNEL_PARK");
    await parkedLeg(box, "A", "silent");
    await client.event("CHANNEL_PARK");
    assert.deepEqual(
      client.events.map((event) => event["Event-Name"]),
      ["CHANNEL_ANSWER", "CHANNEL_PARK"],
    );
    client.close();
  });

  it("dumps a channel as plain text and as JSON", async () => {
    await parkedLeg(box, "A", "silent", ",presence_data=leg_A");
    const plain = headersOf((await box.client.api("uuid_dump A")).trim());
    const json = JSON.parse(await box.client.api("uuid_dump A json"));
    for (const dump of [plain, json]) {
      assert.equal(dump["Unique-ID"], "A");
      assert.equal(dump["Channel-Presence-Data"], "leg_A");
      assert.match(dump["Caller-Channel-Answered-Time"], /^\d{16}$/);
    }
    assert.equal(
      json["variable_sip_destination_url"],
      decodeURIComponent(plain["variable_sip_destination_url"]!),
    );
  });

  it("is understood by an independent client", async () => {
    const connection = await new Promise<InstanceType<typeof esl.Connection>>((resolve) => {
      const made = new esl.Connection("127.0.0.1", box.simulated.eslPort, password, () => resolve(made));
    });
    try {
      const ask = (line: string) =>
        new Promise<string>((resolve) => connection.bgapi(line, (response) => resolve(response.getBody())));
      const target = "{ignore_early_media=true}[origination_uuid=W]sofia/gateway/carrier/silent";
      assert.equal(await ask(`originate ${target} &park()`), "+OK W\n");
      const played = await new Promise<string | null>((resolve) =>
        connection.execute("playback", "tone_stream://%(100,0,440)", "W", (event) =>
          resolve(event.getHeader("Application-Response")),
        ),
      );
      assert.equal(played, "FILE PLAYED");
    } finally {
      connection.disconnect();
    }
  });

  it("runs as a process: a ready line, records at SIGTERM, and an end with its parent", async () => {
    const script = `
      import { runSwitchProcess } from "./engine/simulator/switch/switch-process.ts";
      await runSwitchProcess({ eslHost: "127.0.0.1", eslPort: 0, eslPassword: "${password}", sipHost: "127.0.0.1",
        sipPort: 0, gateways: { carrier: { host: "127.0.0.1", port: ${box.far.port} } },
        cdrDir: ${JSON.stringify(`${box.folder}/cdr`)}, exitWithParent: true });`;
    const start = async () => {
      const child = spawn(process.execPath, ["--input-type=module-typescript", "-e", script], {
        stdio: ["pipe", "pipe", "inherit"],
      });
      const [line] = await once(child.stdout, "data");
      const ready = JSON.parse(String(line));
      assert.equal(ready.ready, true);
      const client = await EslClient.login(Number(ready.esl.split(":")[1]), password);
      return { child, client };
    };

    const first = await start();
    await first.client.api("originate {origination_uuid=P}sofia/gateway/carrier/silent &park()");
    first.child.kill("SIGTERM");
    assert.deepEqual(await once(first.child, "exit"), [0, null]);
    assert.ok(first.client.events.some((event) => event["Event-Name"] === "CHANNEL_HANGUP_COMPLETE"));
    assert.equal(box.endRecord("P").variables["hangup_cause"], "SYSTEM_SHUTDOWN");

    const second = await start();
    second.child.stdin.end();
    assert.deepEqual(await once(second.child, "exit"), [0, null]);
  });
});
