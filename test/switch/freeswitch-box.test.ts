import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { isError } from "../../engine/errors.ts";
import { deviceContact } from "../../engine/switch/devices.ts";
import { FreeSwitchBox, type FreeSwitchBoxOptions } from "../../engine/switch/freeswitch-box.ts";
import type { BoxEvent, Branch, MediaFile, Originate, SwitchEvent } from "../../engine/switch/switch.ts";
import { FakeSwitch, ids, ManualClock, password, silentLog, until, type Answer, type Peer } from "./peers.ts";

describe("A FreeSWITCH box", () => {
  let fake: FakeSwitch;
  let clock: ManualClock;
  let box: FreeSwitchBox;
  let events: SwitchEvent[];
  let boxEvents: BoxEvent[];
  const leg = ids.next("leg");

  beforeEach(async () => {
    fake = await FakeSwitch.start();
    clock = new ManualClock();
    make();
  });
  afterEach(async () => {
    await box.stop();
    await fake.stop();
  });

  function make(more: Partial<FreeSwitchBoxOptions> = {}): void {
    box = new FreeSwitchBox({
      box: "nairobi-1",
      host: "127.0.0.1",
      port: fake.port,
      password,
      recordingsFolder: "/var/spool/sautikit",
      clock,
      ids,
      log: silentLog,
      ...more,
    });
    events = [];
    boxEvents = [];
    box.onEvent((event) => events.push(event));
    box.onBoxEvent((event) => boxEvents.push(event));
  }

  const told = (kind: BoxEvent["kind"]) => boxEvents.filter((event) => event.kind === kind).length;

  async function start(answer?: Answer): Promise<void> {
    if (answer !== undefined) fake.answer = answer;
    box.start();
    // All four connections, so that commands do not fall back on the one for events.
    await until(() => box.connected && told("alive") === 1);
    await until(() => fake.peers.filter(({ lines }) => lines.length > 0).length === 4);
    await until(() => fake.peers.every(({ frames }) => frames.length > 0));
  }

  const branch = (more: Partial<Branch> = {}): Branch => ({
    leg,
    call: ids.next("call"),
    way: { kind: "trunk", gateway: "trunk-1", to: "+254722000001" },
    callerId: "+254711000001",
    ringTimeoutSeconds: 30,
    maxSeconds: 600,
    cutGroup: `cut-${leg}-0`,
    ...more,
  });
  const request = (...branches: [Branch, ...Branch[]]): Originate => ({
    then: { kind: "park" },
    ignoreEarlyMedia: true,
    branches,
  });
  const jobDone = (job: string | undefined, body: string) =>
    fake.eventPeer.event({ "Event-Name": "BACKGROUND_JOB", "Job-UUID": job ?? "", _body: body });

  it("tells which switch it reached, then that it is alive each second", async () => {
    await start();
    assert.deepEqual(boxEvents[0], {
      kind: "connected",
      box: "nairobi-1",
      coreUuid: "core-1",
      version: "FreeSWITCH Version 1.11.4-release~64bit",
    });
    clock.advance(1000);
    await until(() => told("alive") === 2);
    assert.deepEqual(boxEvents.at(-1), {
      kind: "alive",
      box: "nairobi-1",
      coreUuid: "core-1",
      atUs: clock.nowUs(),
    });
  });

  it("takes a late answer as a proof of when it was asked, and of no moment since", async () => {
    await start();
    const { socket, lines } = fake.eventPeer;
    socket.cork();
    clock.advance(1000);
    await until(() => fake.eventPeer.lines.length > lines.length);
    const askedUs = clock.nowUs();
    clock.advance(2500);
    socket.uncork();
    await until(() => told("alive") === 2);
    const last = boxEvents.at(-1);
    assert.equal(last?.kind === "alive" && last.atUs, askedUs);
  });

  it("subscribes to the events it needs and never to ALL", async () => {
    await start();
    const subscription = fake.eventPeer.lines.find((line) => line.startsWith("event "));
    assert.match(subscription ?? "", /^event json BACKGROUND_JOB CHANNEL_CREATE /);
    assert.doesNotMatch(subscription ?? "", /ALL/);
  });

  it("turns events of our legs into facts, and counts the others", async () => {
    await start();
    const stamp = { "Event-Date-Timestamp": "1795557683457259" };
    fake.eventPeer.event({ "Event-Name": "CHANNEL_PARK", "Unique-ID": "11111111-0000", ...stamp });
    fake.eventPeer.raw("text/event-json", Buffer.from("{torn"));
    fake.eventPeer.event({ "Event-Name": "CODEC", "Unique-ID": leg, ...stamp });
    fake.eventPeer.event({ "Event-Name": "CHANNEL_PARK", "Unique-ID": leg, ...stamp });
    await until(() => events.length === 1);
    assert.deepEqual(events, [{ kind: "parked", box: "nairobi-1", leg, atUs: 1795557683457259 }]);
    assert.deepEqual(box.counts, { delivered: 1, foreign: 1, ignored: 1, unreadable: 1 });
  });

  it("outlives a listener's bug", async () => {
    box.onEvent(() => {
      throw new Error("a bug");
    });
    await start();
    for (let i = 0; i < 2; i++) fake.eventPeer.event({ "Event-Name": "CHANNEL_PARK", "Unique-ID": leg });
    await until(() => events.length === 2);
    assert.equal(box.connected, true);
  });

  describe("dialling", () => {
    for (const [reply, outcome] of [
      [`+OK ${leg}\n`, { ok: true, leg }],
      ["-ERR USER_BUSY\n", { ok: false, cause: "USER_BUSY", reply: "-ERR USER_BUSY" }],
      ["-ERR NO_ANSWER\n", { ok: false, cause: "NO_ANSWER", reply: "-ERR NO_ANSWER" }],
    ] as const) {
      it(`ends with ${JSON.stringify(outcome)} on ${JSON.stringify(reply)}`, async () => {
        await start((frame, peer) => {
          peer.reply(`+OK Job-UUID: ${frame.headers.get("job-uuid")}`);
          jobDone(frame.headers.get("job-uuid"), reply);
        });
        assert.deepEqual(await box.originate(request(branch())), outcome);
      });
    }

    for (const [what, told, ms] of [
      ["as long as the box says", "45", 45_000],
      ["five minutes where the box does not say", "", 300_000],
    ] as const) {
      it(`gives a device ${what} to be heard`, async () => {
        await start((frame, peer) => {
          if (frame.firstLine === "api global_getvar devices_media_timeout") return peer.result(told);
          peer.reply("+OK");
          jobDone(frame.headers.get("job-uuid"), `+OK ${leg}`);
        });
        const contact = deviceContact("sip:a1b2c3@192.168.1.20", { host: "203.0.113.7", port: 5060 }, "udp")!;
        assert.deepEqual(await box.originate(request(branch({ way: { kind: "device", contact } }))), {
          ok: true,
          leg,
        });
        const dialled = fake.commands
          .map(({ firstLine }) => firstLine)
          .find((line) => line.startsWith("bgapi"));
        assert.match(dialled ?? "", new RegExp(`,media_timeout=${ms}[,\\]]`));
      });
    }

    it("takes a result that overtakes the reply to its command", async () => {
      await start((frame) => jobDone(frame.headers.get("job-uuid"), `+OK ${leg}`));
      assert.deepEqual(await box.originate(request(branch())), { ok: true, leg });
    });

    it("gives each of two jobs its own result, in whichever order they come", async () => {
      const jobs: (string | undefined)[] = [];
      await start((frame, peer) => {
        jobs.push(frame.headers.get("job-uuid"));
        peer.reply("+OK");
      });
      const other = ids.next("leg");
      const first = box.originate(request(branch()));
      await until(() => jobs.length === 1);
      const second = box.originate(request(branch({ leg: other, cutGroup: `cut-${other}-0` })));
      await until(() => jobs.length === 2);
      jobDone("somebody-else", "+OK");
      jobDone(jobs[1], `+OK ${other}`);
      jobDone(jobs[0], "-ERR USER_BUSY");
      assert.deepEqual(await second, { ok: true, leg: other });
      assert.equal((await first).ok, false);
    });

    it("waits for the ring time-out and a margin, then does not know, and never dials again", async () => {
      await start((_, peer) => peer.reply("+OK"));
      const dialled = box.originate(request(branch()));
      await until(() => fake.commands.length === 1);
      const over = assert.rejects(dialled, (error) => isError(error, "switch.unknown_outcome"));
      for (let second = 0; second < 40; second++) {
        const before = told("alive");
        clock.advance(1000);
        if (second < 39) await until(() => told("alive") > before);
      }
      await over;
      assert.equal(fake.commands.length, 1);
    });

    it("does not know when the connection breaks under it, and never dials again", async () => {
      await start((_, peer) => peer.reply("+OK"));
      const dialled = box.originate(request(branch()));
      await until(() => fake.commands.length === 1);
      fake.drop();
      await assert.rejects(dialled, (error) => isError(error, "switch.unknown_outcome"));
      clock.advance(10_000);
      await until(() => told("connected") === 2);
      assert.equal(fake.commands.length, 1);
    });

    it("ends a channel that came under another id than the one asked for", async () => {
      const other = "7f1b2c3d-0000-4000-8000-000000000009";
      await start((frame, peer) => {
        if (frame.firstLine.startsWith("api ")) return peer.result("+OK\n");
        peer.reply("+OK");
        jobDone(frame.headers.get("job-uuid"), `+OK ${other}`);
      });
      const outcome = await box.originate(request(branch()));
      assert.ok(!outcome.ok && outcome.cause === "DESTINATION_OUT_OF_ORDER");
      assert.equal(fake.commands.at(-1)?.firstLine, `api uuid_kill ${other}`);
    });

    it("is refused when the switch is not there, and when it does not know how", async () => {
      await assert.rejects(box.originate(request(branch())), (error) => isError(error, "switch.unavailable"));
      await start((_, peer) => peer.reply("-ERR permission denied"));
      await assert.rejects(box.originate(request(branch())), /permission denied/);
    });
  });

  describe("commands", () => {
    const recording = ids.next("rec");
    const tone = "/var/lib/sautikit/media/ab.wav" as MediaFile;

    for (const [what, run, line] of [
      ["hangs up", () => box.hangUp(leg, "USER_BUSY"), `api uuid_kill ${leg} USER_BUSY`],
      [
        "sets a variable",
        () => box.setVariable(leg, "park_after_bridge", "true"),
        `api uuid_setvar ${leg} park_after_bridge true`,
      ],
      ["stops what plays", () => box.stopPlayback(leg), `api uuid_break ${leg} all`],
      [
        "records",
        () => box.startRecording(leg, recording),
        `api uuid_record ${leg} start /var/spool/sautikit/${recording}.wav`,
      ],
      [
        "records until it is silent",
        () => box.startRecording(leg, recording, { silenceMs: 5000, maxSeconds: 60 }),
        `api uuid_record ${leg} start /var/spool/sautikit/${recording}.wav 61 ` +
          "{RECORD_INITIAL_TIMEOUT_MS=5000,RECORD_FINAL_TIMEOUT_MS=5000,RECORD_SILENCE_THRESHOLD=100}",
      ],
      [
        "stops a recording",
        () => box.stopRecording(leg, recording),
        `api uuid_record ${leg} stop /var/spool/sautikit/${recording}.wav`,
      ],
      [
        "masks a recording",
        () => box.maskRecording(leg, recording, true),
        `api uuid_record ${leg} mask /var/spool/sautikit/${recording}.wav`,
      ],
      [
        "unmasks a recording",
        () => box.maskRecording(leg, recording, false),
        `api uuid_record ${leg} unmask /var/spool/sautikit/${recording}.wav`,
      ],
    ] as const) {
      it(`${what}, and says so when there is no such channel`, async () => {
        let reply = "+OK Success\n";
        await start((_, peer) => peer.result(reply));
        assert.equal(await run(), true);
        assert.equal(fake.commands[0]?.firstLine, line);
        reply = "-ERR No such channel!\n";
        assert.equal(await run(), false);
        reply = "-ERR system Command not found!\n";
        await assert.rejects(run(), (error) => isError(error, "switch.refused"));
      });
    }

    it("plays with a token, behind what the leg is playing", async () => {
      await start((_, peer) => peer.reply("+OK"));
      assert.equal(await box.play(leg, tone, { token: "say-1", loops: 3 }), true);
      const [frame] = fake.commands;
      assert.equal(frame!.firstLine, `sendmsg ${leg}`);
      assert.deepEqual(
        [...frame!.headers],
        [
          ["call-command", "execute"],
          ["execute-app-name", "playback"],
          ["execute-app-arg", `{token=say-1}file_string://${tone}!${tone}!${tone}`],
          ["event-lock", "true"],
          ["event-uuid", "play:say-1"],
        ],
      );
    });

    it("plays ringback at once, so that a stop right after it is not lost", async () => {
      await start((_, peer) => peer.reply("+OK"));
      assert.equal(await box.playRingback(leg), true);
      const [frame] = fake.commands;
      assert.equal(frame?.firstLine, `sendmsg ${leg}`);
      assert.equal(frame.headers.get("execute-app-arg"), "tone_stream://%(1000,4000,425);loops=-1");
    });

    it("arms a kill that is never early, and disarms it", async () => {
      await start((_, peer) => peer.result("+OK Added: 22\n"));
      await box.armKill(leg, `idle-${leg}`, 30, "ALLOTTED_TIMEOUT");
      await box.disarmKill(`idle-${leg}`);
      assert.deepEqual(
        fake.commands.map(({ firstLine }) => firstLine),
        [`api sched_api +31 idle-${leg} uuid_kill ${leg} ALLOTTED_TIMEOUT`, `api sched_del idle-${leg}`],
      );
    });

    describe("of a call that came to it", () => {
      const uuid = "63bd2ab2-38f8-4888-8009-6235dd4b828c";
      const call = ids.next("call");
      const taken = { leg, call, ringSeconds: 120, maxSeconds: 600, cutGroup: `cut-${leg}-0` } as const;
      const sent = () => fake.commands.map(({ firstLine }) => firstLine);

      const dumped = (answered: string) => async () =>
        start((frame, peer) =>
          peer.result(
            frame.firstLine.includes("uuid_dump")
              ? JSON.stringify({ "Unique-ID": uuid, "Caller-Channel-Answered-Time": answered })
              : "+OK",
          ),
        );

      it("arms our limit before it deletes the dialplan's, and only then lets it ring", async () => {
        await dumped("0")();
        box.know(leg, uuid);
        assert.equal(await box.takeIn(taken), true);
        assert.deepEqual(sent(), [
          `api sched_api +121 ring-${leg} uuid_kill ${uuid} NO_ANSWER`,
          `api sched_del ${uuid}`,
          `api uuid_setvar ${uuid} presence_data ${leg}`,
          `api uuid_setvar ${uuid} sautikit_call ${call}`,
          `api uuid_setvar ${uuid} api_on_answer_cut sched_api +601 cut-${leg}-0 uuid_kill ${uuid} ALLOTTED_TIMEOUT`,
          `api uuid_setvar ${uuid} api_on_answer_ring sched_del ring-${leg}`,
          `api uuid_setvar ${uuid} api_hangup_hook sched_del cut-${leg}-0`,
          `api uuid_setvar ${uuid} execute_on_answer `,
          `api uuid_ring_ready ${uuid}`,
          `api uuid_dump ${uuid} json`,
        ]);
      });

      it("done again after the answer, leaves nothing that would end the talk", async () => {
        await dumped("1795966649941449")();
        box.know(leg, uuid);
        assert.equal(await box.takeIn(taken), true);
        assert.equal(sent().at(-1), `api sched_del ring-${leg}`);
      });

      it("leaves nothing armed where the caller has gone meanwhile", async () => {
        await start((frame, peer) =>
          peer.result(frame.firstLine.includes("uuid_setvar") ? "-ERR No such channel!" : "+OK"),
        );
        box.know(leg, uuid);
        assert.equal(await box.takeIn(taken), false);
        assert.equal(sent().at(-1), `api sched_del ring-${leg}`);
      });

      it("speaks of the channel by the switch's name, and of the leg again once that is forgotten", async () => {
        await start((_, peer) => peer.result("+OK"));
        box.know(leg, uuid);
        await box.preAnswer(leg);
        await box.answer(leg);
        await box.afterBridge(leg, { kind: "park", idleSeconds: 30 });
        await box.refuse(leg, "USER_BUSY");
        box.forget(leg);
        await box.afterBridge(leg, { kind: "end" });
        assert.deepEqual(sent(), [
          `api uuid_pre_answer ${uuid}`,
          `api uuid_answer ${uuid}`,
          `api sched_del ring-${leg}`,
          `api uuid_setvar ${uuid} park_after_bridge true`,
          `api uuid_setvar ${uuid} api_after_bridge sched_api +31 idle-${leg} uuid_kill ${uuid} ALLOTTED_TIMEOUT`,
          `api uuid_setvar ${uuid} process_cdr false`,
          `api uuid_kill ${uuid} USER_BUSY`,
          `api uuid_setvar ${leg} park_after_bridge false`,
          `api uuid_setvar ${leg} api_after_bridge `,
        ]);
      });

      it("is not answered where there is nobody to answer, and its limit stays", async () => {
        await start((_, peer) => peer.result("-ERROR\n"));
        assert.equal(await box.answer(leg), false);
        assert.equal(await box.preAnswer(leg), false);
        assert.deepEqual(sent(), [`api uuid_answer ${leg}`, `api uuid_pre_answer ${leg}`]);
      });

      it("finds those that nobody took in, and by its listing the channel of a leg that was forgotten", async () => {
        const other = "22222222-38f8-4888-8009-6235dd4b828c";
        const dump = readFileSync(new URL("fixtures/arrival.json", import.meta.url), "utf8");
        await start((frame, peer) => {
          const rows = [
            { uuid, direction: "inbound", presence_data: "" },
            { uuid: other, direction: "inbound", presence_data: leg },
          ];
          peer.result(frame.firstLine.includes("uuid_dump") ? dump : JSON.stringify({ rows }));
        });
        assert.deepEqual(
          (await box.arrivals()).map((arrival) => [arrival.uuid, arrival.to]),
          [[uuid, "+254200000001"]],
        );
        box.know(ids.next("leg"), uuid);
        assert.deepEqual(await box.arrivals(), []);
        fake.answer = (_, peer) => peer.result("+OK");
        await box.hangUp(leg, "MANAGER_REQUEST");
        assert.equal(sent().at(-1), `api uuid_kill ${other} MANAGER_REQUEST`);
      });
    });

    it("sends nothing that is not ours", async () => {
      await start((_, peer) => peer.result("+OK"));
      const bad = "leg_1 ; x" as typeof leg;
      await assert.rejects(box.hangUp(bad, "NORMAL_CLEARING"), RangeError);
      await assert.rejects(box.hangUp(leg, "NORMAL CLEARING"), RangeError);
      await assert.rejects(box.setVariable(leg, "a b", "x"), RangeError);
      for (const value of ["a\nb", "a\r", "\0", "${x}", "it's", 'say "hi"', "a\\", " a"]) {
        await assert.rejects(box.setVariable(leg, "a", value), RangeError);
      }
      await assert.rejects(box.play(leg, "/a b.wav" as MediaFile, { token: "x", loops: 1 }), RangeError);
      await assert.rejects(box.play(leg, tone, { token: "a\nb", loops: 1 }), RangeError);
      await assert.rejects(box.play(leg, tone, { token: "a", loops: 0 }), RangeError);
      assert.equal(fake.commands.length, 0);
    });

    it("lists our channels, and leaves out the others", async () => {
      const row = { created_epoch: "1795563454", callstate: "ACTIVE" };
      const inbound = ids.next("leg");
      await start((_, peer) =>
        peer.result(
          JSON.stringify({
            row_count: 3,
            rows: [
              { ...row, uuid: leg },
              { ...row, uuid: "11111111-0000", presence_data: "" },
              { ...row, uuid: "22222222-0000", presence_data: inbound, callstate: "EARLY" },
            ],
          }),
        ),
      );
      assert.deepEqual(await box.listChannels(), [
        { leg, createdAtS: 1795563454, state: "active" },
        { leg: inbound, createdAtS: 1795563454, state: "early" },
      ]);
      fake.answer = (_, peer) => peer.result('{"row_count":0}\n');
      assert.deepEqual(await box.listChannels(), []);
      fake.answer = (_, peer) => peer.result("-ERR Database error");
      await assert.rejects(box.listChannels(), (error) => isError(error, "switch.refused"));
    });

    it("has the directory read anew, and a device forgotten where the switch keeps it", async () => {
      await start((frame, peer) =>
        peer.result(
          frame.firstLine === "api global_getvar sip_domain" ? "sip.example.test" : "+OK [Success]\n",
        ),
      );
      await box.reloadDirectory();
      await box.forgetDevice("a1b2c3");
      assert.deepEqual(
        fake.commands.map(({ firstLine }) => firstLine),
        [
          "api reloadxml",
          "api global_getvar sip_domain",
          "api sofia profile devices flush_inbound_reg a1b2c3@sip.example.test",
        ],
      );
      for (const name of ["", "a b", "A1", "a@b", "!a", "a1b2c3 reboot"])
        await assert.rejects(box.forgetDevice(name), RangeError);
    });

    it("says what the switch would not reload, and that a box without devices has none", async () => {
      await start((frame, peer) =>
        peer.result(
          frame.firstLine.startsWith("api reloadxml")
            ? "+OK [[error near line 3]: unclosed tag <user>]\n"
            : "Invalid Profile!\n",
        ),
      );
      await assert.rejects(box.reloadDirectory(), /switch.refused|unclosed/);
      assert.deepEqual(await box.registrations(), []);
    });

    it("asks for all devices over a connection of their own, and an answer that is too long cuts that alone", async () => {
      await start((frame, peer) => {
        if (frame.firstLine !== "api sofia xmlstatus profile devices reg") return peer.result("+OK");
        peer.raw("api/response", Buffer.alloc(16 * 1024 * 1024 + 1, " "));
      });
      const before = fake.peers.length;
      await assert.rejects(box.registrations(), (error) => isError(error, "switch.unknown_outcome"));
      assert.deepEqual([fake.peers.length, told("disconnected"), box.connected], [before + 1, 0, true]);
      for (let i = 0; i < 3; i++) assert.equal(await box.hangUp(leg, "NORMAL_CLEARING"), true);
      assert.equal(fake.peers.length, before + 1, "nobody had to come back");
    });

    it("tells that a device came and went", async () => {
      await start();
      const of = { "Event-Name": "CUSTOM", "profile-name": "devices", "call-id": "8e13@phone" };
      const from = { "network-ip": "197.248.10.7", "network-port": "49152", expires: "60" };
      fake.eventPeer.event({
        ...{ ...of, ...from, "Event-Subclass": "sofia::register", "from-user": "a1b2c3" },
        contact: '"" <sip:a1b2c3@192.168.1.20>',
      });
      fake.eventPeer.event({ ...of, "Event-Subclass": "sofia::expire", user: "a1b2c3" });
      await until(() => told("unregistered") === 1);
      const [came, went] = boxEvents.slice(-2);
      assert.ok(came?.kind === "registered");
      assert.deepEqual(
        [came.registration.username, came.registration.contactUri],
        ["a1b2c3", "sip:a1b2c3@192.168.1.20"],
      );
      assert.deepEqual(went, {
        ...{ kind: "unregistered", box: "nairobi-1", username: "a1b2c3", callId: "8e13@phone" },
      });
    });

    it("reads a channel's facts", async () => {
      const other = ids.next("leg");
      const dump = {
        "Unique-ID": leg,
        "Caller-Channel-Created-Time": "1795557682237277",
        "Caller-Channel-Progress-Time": "0",
        "Caller-Channel-Progress-Media-Time": "1795557682300000",
        "Caller-Channel-Answered-Time": "1795557683237277",
        variable_bridge_to: other,
      };
      await start((_, peer) => peer.result(JSON.stringify(dump)));
      assert.deepEqual(await box.channelFacts(leg), {
        leg,
        createdAtUs: 1795557682237277,
        ringingAtUs: 1795557682300000,
        answeredAtUs: 1795557683237277,
        bridgedTo: other,
        hungUp: false,
        relayed: false,
        playback: null,
      });
      const playing = {
        variable_current_application: "playback",
        variable_current_application_data: "{token=call_x-5.0}file_string:///a.wav!/a.wav",
      };
      for (const [more, playback] of [
        [playing, { token: "call_x-5.0", outcome: null }],
        [
          { ...playing, variable_current_application_response: "FILE PLAYED" },
          { token: "call_x-5.0", outcome: "played" },
        ],
        [
          { ...playing, variable_current_application_response: "PLAYBACK ERROR" },
          { token: "call_x-5.0", outcome: "failed" },
        ],
        [{ ...playing, variable_current_application: "record_session" }, null],
        [{ ...playing, variable_current_application_data: "tone_stream://%(1000,4000,425)" }, null],
      ] as const) {
        fake.answer = (_, peer) => peer.result(JSON.stringify({ ...dump, ...more }));
        assert.deepEqual((await box.channelFacts(leg))?.playback, playback);
      }
      fake.answer = (_, peer) => peer.result("-ERR No such channel!\n");
      assert.equal(await box.channelFacts(leg), null);
    });

    it("waits for the park of a leg from when the switch took the command, however long that was on its way", async () => {
      await start();
      const frames: Peer[] = [];
      fake.answer = (_, peer) => void frames.push(peer);
      const ended = box.endFork(leg);
      await until(() => frames.length === 1);
      // Longer than a leg takes to park. A rejection that nobody waits for would end the process.
      clock.advance(2_500);
      frames[0]!.reply("+OK");
      await setImmediate();
      fake.eventPeer.event({ "Event-Name": "CHANNEL_PARK", "Unique-ID": leg, "Event-Date-Timestamp": "1" });
      assert.equal(await ended, true);
    });

    it("goes round a connection that is waiting for a slow command", async () => {
      await start();
      const slow = box.startRecording(leg, recording);
      slow.catch(() => undefined);
      await until(() => fake.commands.length === 1);
      fake.answer = (_, peer) => peer.result("+OK");
      assert.equal(await box.hangUp(leg, "NORMAL_CLEARING"), true);
    });
  });

  describe("reconnecting", () => {
    it("says that it lost the switch, and finds a restarted one", async () => {
      await start();
      fake.coreUuid = "core-2";
      fake.drop();
      await until(() => told("disconnected") === 1);
      assert.equal(box.connected, false);
      clock.advance(1000);
      await until(() => told("connected") === 2);
      const [first, second] = boxEvents.filter((event) => event.kind === "connected");
      assert.deepEqual([first?.coreUuid, second?.coreUuid], ["core-1", "core-2"]);
    });

    it("notices within 3 s a switch that no longer answers, though its socket stays open", async () => {
      await start();
      const { eventPeer } = fake;
      for (const { socket } of fake.peers) socket.pause();
      clock.advance(1000);
      assert.equal(told("disconnected"), 0);
      clock.advance(3000);
      await until(() => told("disconnected") === 1);
      assert.match(JSON.stringify(boxEvents.at(-1)), /no heartbeat/);
      clock.advance(1000);
      await until(() => told("connected") === 2);
      assert.notEqual(fake.eventPeer, eventPeer);
      fake.answer = (_, peer) => peer.result("+OK");
      assert.equal(await box.hangUp(leg, "NORMAL_CLEARING"), true, "no command goes to a dead connection");
    });

    it("tries for ever, ever more slowly up to 5 s, and not all at once", async () => {
      await fake.stop();
      make({ commandConnections: 0 });
      box.start();
      for (let attempt = 1; attempt <= 12; attempt++) {
        await until(() => clock.sleeps.length === attempt);
        clock.advance(5000);
      }
      const bounds = clock.sleeps.map((_, i) => Math.min(100 * 2 ** (i + 1), 5000));
      for (const [i, bound] of bounds.entries()) {
        const slept = clock.sleeps[i] ?? 0;
        assert.ok(slept >= bound / 2 && slept <= bound, `${slept} of ${bound}`);
      }
      assert.ok(new Set(clock.sleeps.slice(6)).size > 1);
      assert.equal(told("disconnected"), 0);
    });

    it("stops at once, twice, and while it is connecting", async () => {
      fake.greeting = "";
      box.start();
      await until(() => fake.peers.length === 4);
      await Promise.all([box.stop(), box.stop()]);
      await box.stop();
      assert.equal(box.connected, false);
      await assert.rejects(box.version(), (error) => isError(error, "switch.unavailable"));
    });
  });

  it("is not made with a password that protects nothing, or a folder that would not stay one word", () => {
    assert.throws(() => make({ password: "ClueCon" }), RangeError);
    assert.throws(() => make({ password: "" }), RangeError);
    assert.throws(() => make({ recordingsFolder: "rec" }), RangeError);
    assert.throws(() => make({ recordingsFolder: "/var/my rec" }), RangeError);
  });
});
