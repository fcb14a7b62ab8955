import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { eventFields, FrameReader, type Fields } from "../../engine/switch/codec.ts";
import { ChannelNames } from "../../engine/switch/channel-names.ts";
import { parseEndRecord } from "../../engine/switch/end-record.ts";
import { decodeEvent, hungUp, isAnsweredCaller, recordingOf } from "../../engine/switch/events.ts";
import type { SwitchEvent } from "../../engine/switch/switch.ts";
import { ids } from "./peers.ts";

const names = new ChannelNames();
const fixture = (name: string) => readFileSync(new URL(`fixtures/${name}`, import.meta.url));

/** What a real switch sent for four legs: one waiting, one that intercepted it from early media, one busy, one unanswered. */
function realEvents(): SwitchEvent[] {
  const events: SwitchEvent[] = [];
  new FrameReader("switch").push(fixture("two-legs.esl.raw"), (frame) => {
    const fields = eventFields(frame);
    const decoded = fields === undefined ? undefined : decodeEvent("nairobi-1", fields, names);
    if (decoded?.kind === "event") events.push(decoded.event);
  });
  return events;
}

const records = ["waiting", "answered", "busy", "unanswered"].map((name) => {
  const result = parseEndRecord(fixture(`${name}.cdr`).toString());
  assert.ok(result.ok, name);
  return result.record;
});
const [waiting, answered, busy, unanswered] = records;

describe("The events of a real switch", () => {
  const events = realEvents();
  const of = (leg: string | undefined) => events.filter((event) => event.leg === leg).map(({ kind }) => kind);

  it("tell the life of each leg", () => {
    assert.deepEqual(of(waiting?.leg), [
      "created",
      "ringing",
      "answered",
      "parked",
      "playbackEnded",
      "hungUp",
    ]);
    assert.deepEqual(of(answered?.leg), [
      ...["created", "earlyMedia", "recordingStarted", "bridged", "answered"],
      ...["unbridged", "recordingStopped", "hungUp"],
    ]);
    assert.deepEqual(of(busy?.leg), ["created", "hungUp"]);
    assert.deepEqual(of(unanswered?.leg), ["created", "ringing", "hungUp"]);
  });

  it("carry the moment itself, in µs, and not that of the message about it", () => {
    const at = (kind: string) =>
      events.find((event) => event.leg === answered?.leg && event.kind === kind)?.atUs;
    assert.equal(at("created"), answered?.createdAtUs);
    assert.equal(at("earlyMedia"), answered?.ringingAtUs);
    assert.equal(at("answered"), answered?.answeredAtUs);
    assert.equal(at("hungUp"), answered?.endedAtUs);
  });

  it("say who was bridged to whom, what was recorded and what was played", () => {
    const find = <K extends SwitchEvent["kind"]>(kind: K) =>
      events.find((event): event is Extract<SwitchEvent, { kind: K }> => event.kind === kind);
    assert.equal(find("bridged")?.otherLeg, waiting?.leg);
    assert.equal(find("recordingStopped")?.recording, find("recordingStarted")?.recording);
    assert.ok((find("recordingStopped")?.lengthMs ?? 0) > 3000);
    assert.equal(find("playbackEnded")?.token, "greeting");
    assert.equal(find("playbackEnded")?.outcome, "notFound");
  });

  it("state the same end as the end-of-leg record, for every leg", () => {
    for (const { leg, call, ...facts } of records) {
      assert.equal(facts.channel, leg);
      const event = events.find((event) => event.kind === "hungUp" && event.leg === leg);
      assert.deepEqual(event, { kind: "hungUp", box: "nairobi-1", leg, atUs: facts.endedAtUs, ...facts });
      assert.match(call ?? "", /^call_/);
    }
  });
});

describe("How a leg ended", () => {
  it("is told for busy, no answer and answered", () => {
    const facts = records.map(({ cause, q850, sipStatus, answeredAtUs }) => [
      cause,
      q850,
      sipStatus,
      answeredAtUs !== null,
    ]);
    assert.deepEqual(facts, [
      ["NORMAL_CLEARING", 16, 200, true],
      ["NORMAL_CLEARING", 16, 200, true],
      ["USER_BUSY", 17, 486, false],
      ["NO_ANSWER", 19, 487, false],
    ]);
  });

  const variables: Record<string, string> = {
    start_uepoch: "1795557682237277",
    progress_uepoch: "1795557682400000",
    progress_media_uepoch: "0",
    answer_uepoch: "1795557683237277",
    end_uepoch: "1795557687477240",
    hangup_cause: "NORMAL_CLEARING",
    hangup_cause_q850: "16",
    rtp_audio_in_media_packet_count: "200",
    rtp_audio_in_mos: "4.31",
    rtp_audio_in_jitter_max_variance: "9.00",
    rtp_audio_in_jitter_loss_rate: "0.25",
  };
  const end = (more: Record<string, string | undefined> = {}) => {
    const all: Record<string, string | undefined> = { ...variables, ...more };
    return hungUp((name) => all[name]);
  };

  it("has the quality of what we heard", () => {
    assert.deepEqual(end()?.quality, { mos: 1.12, jitterMs: 3, packetLossPercent: 20 });
    assert.equal(end({ rtp_audio_in_jitter_loss_rate: "0.00" })?.quality?.mos, 4.31);
    assert.equal(end({ rtp_audio_in_media_packet_count: "0" })?.quality, null);
    assert.equal(end({ rtp_audio_in_mos: "nan" })?.quality, null);
  });

  it("is heard as badly as its loss makes it, though the switch says 4.5", () => {
    for (const [lossRate, mos] of [
      ["0.01", 3.84],
      ["0.03", 2.83],
      ["0.10", 1.56],
      ["0.50", 1.02],
    ] as const)
      assert.equal(
        end({ rtp_audio_in_jitter_loss_rate: lossRate, rtp_audio_in_mos: "4.50" })?.quality?.mos,
        mos,
        lossRate,
      );
    assert.equal(end({ rtp_audio_in_mos: "1.05" })?.quality?.mos, 1.05);
  });

  it("does not take a failed B-leg's status for that of the answered leg beside it", () => {
    assert.equal(end({ sip_invite_failure_status: "486" })?.sipStatus, 200);
    assert.equal(end({ sip_invite_failure_status: "486", answer_uepoch: "0" })?.sipStatus, 486);
  });

  it("counts what is 0 as not having happened", () => {
    assert.equal(end({ answer_uepoch: "0" })?.answeredAtUs, null);
    assert.equal(end({ progress_uepoch: "0" })?.ringingAtUs, null);
  });

  it("is not told without its stamps or its cause", () => {
    assert.equal(end({ end_uepoch: "0" }), undefined);
    assert.equal(end({ start_uepoch: "-1" }), undefined);
    assert.equal(end({ hangup_cause: "'; drop" }), undefined);
  });
});

describe("An end-of-leg record", () => {
  const text = fixture("answered.cdr").toString();

  it("is torn until its last brace is written, wherever it was cut", () => {
    const whole = text.trimEnd().length;
    fc.assert(
      fc.property(fc.nat(whole - 1), (length) => {
        const result = parseEndRecord(text.slice(0, length));
        assert.ok(!result.ok && result.problem === "torn");
      }),
      { numRuns: 50 },
    );
    assert.ok(parseEndRecord(text.slice(0, whole)).ok);
  });

  for (const other of [
    "{}",
    "[]",
    "1",
    "null",
    '{"variables":[]}',
    '{"variables":{"uuid":"11111111-0000-4000-8000-000000000001"}}',
  ]) {
    it(`is foreign when it is ${other}`, () => {
      const result = parseEndRecord(other);
      assert.ok(!result.ok && result.problem === "foreign");
    });
  }

  it("of an inbound leg is known by its presence_data", () => {
    const inbound = text.replaceAll(
      `"uuid":"${answered?.leg}"`,
      '"uuid":"11111111-0000-4000-8000-000000000001"',
    );
    const result = parseEndRecord(inbound);
    assert.ok(result.ok && result.record.leg === answered?.leg);
  });

  it("of a caller whom nobody took in has the switch's name alone", () => {
    const uuid = "11111111-0000-4000-8000-000000000001";
    const inbound = text
      .replaceAll(answered!.leg!, uuid)
      .replaceAll('"direction":"outbound"', '"direction":"inbound"');
    const result = parseEndRecord(inbound);
    assert.ok(result.ok);
    assert.deepEqual([result.record.channel, result.record.leg], [uuid, undefined]);
    assert.equal(result.record.answeredAtUs, answered?.answeredAtUs);
  });
});

describe("A caller who talks, whoever answered", () => {
  const talking = { "Call-Direction": "inbound", "Answer-State": "answered" };
  for (const [what, more, is] of [
    ["came by the profile of the edge", { "Channel-Name": "sofia/edge/254711000001@192.0.2.1" }, true],
    ["came by that of the trunks", { "Channel-Name": "sofia/trunks/254711000001@192.0.2.1" }, true],
    ["came by that of the devices", { "Channel-Name": "sofia/devices/2n5kq@sip.example" }, true],
    ["came by none of them", { "Channel-Name": "loopback/254711000001-a" }, false],
    ["still rings", { "Channel-Name": "sofia/trunks/x@192.0.2.1", "Answer-State": "ringing" }, false],
    ["was dialled", { "Channel-Name": "sofia/trunks/x", "Call-Direction": "outbound" }, false],
  ] as const)
    it(`${is ? "is" : "is not"} one that ${what}`, () => {
      const fields: Record<string, string> = { ...talking, ...more };
      assert.equal(
        isAnsweredCaller((name) => fields[name]),
        is,
      );
    });
});

describe("A single event", () => {
  const leg = ids.next("leg");
  const base: Record<string, string> = { "Unique-ID": leg, "Event-Date-Timestamp": "1795557683457259" };
  const decode = (more: Record<string, string>) => {
    const all: Record<string, string> = { ...base, ...more };
    const fields: Fields = (name) => all[name];
    return decodeEvent("nairobi-1", fields, names);
  };

  it("of somebody else's channel is foreign", () => {
    assert.equal(decode({ "Event-Name": "CHANNEL_ANSWER", "Unique-ID": "11111111-0000" }).kind, "foreign");
  });

  describe("of a caller whom nobody took in", () => {
    const waits = JSON.parse(fixture("arrival.json").toString()) as Record<string, string>;
    const uuid = waits["Unique-ID"]!;
    const arrival = (more: Record<string, string> = {}, known = new ChannelNames()) => {
      const all: Record<string, string> = { ...waits, ...more };
      return decodeEvent("nairobi-1", (name) => all[name], known);
    };

    it("tells who waits, and for whom", () => {
      assert.deepEqual(arrival(), {
        kind: "arrival",
        arrival: {
          ...{ box: "nairobi-1", uuid, from: "+254722000001", to: "+254200000001" },
          ...{ createdAtUs: 1795906030496664, sipCallId: "0f0b981e062286c07cf92265@127.0.0.1" },
          ...{ device: null, address: "127.0.0.1", ticket: null, relay: null },
        },
      });
    });

    it("has the ticket that the edge gave it", () => {
      const decoded = arrival({ "variable_sip_h_X-Sautikit-Ticket": `t${"x".repeat(100)}` });
      assert.ok(decoded.kind === "arrival");
      assert.equal(decoded.arrival.ticket, `t${"x".repeat(63)}`);
    });

    it("has no number where the caller hides it", () => {
      for (const hidden of [
        { "Caller-Privacy-Hide-Number": "true" },
        { variable_sip_Privacy: "user;critical" },
        { variable_sip_Privacy: "header" },
      ]) {
        const decoded = arrival(hidden);
        assert.ok(decoded.kind === "arrival" && decoded.arrival.from === "anonymous", JSON.stringify(hidden));
      }
      const shown = arrival({ "Caller-Privacy-Hide-Number": "false", variable_sip_Privacy: "none" });
      assert.ok(shown.kind === "arrival" && shown.arrival.from === "+254722000001");
    });

    it("is a device that logged in, whatever it says of itself", () => {
      const devices = { "Caller-Context": "devices" };
      const decoded = arrival({
        ...devices,
        variable_sautikit_login: "a1b2c3",
        variable_sip_from_user: "otieno",
      });
      assert.ok(decoded.kind === "arrival");
      assert.equal(decoded.arrival.device, "a1b2c3");
      // From the carrier that word is nobody's.
      const forged = arrival({ variable_sautikit_login: "a1b2c3" });
      assert.ok(forged.kind === "arrival" && forged.arrival.device === null);
      for (const login of ["", "A1", "a'b", "x".repeat(65)]) {
        assert.equal(arrival({ ...devices, variable_sautikit_login: login }).kind, "foreign");
      }
    });

    it("is a leg's once its name is known", () => {
      const known = new ChannelNames();
      known.know(leg, uuid);
      const decoded = arrival({}, known);
      assert.ok(decoded.kind === "event" && decoded.event.kind === "parked" && decoded.event.leg === leg);
    });

    it("is no longer than a number, whatever the caller's network sends", () => {
      const long = "9".repeat(5_000);
      const decoded = arrival({ "Caller-Caller-ID-Number": long, "Caller-Destination-Number": long });
      assert.ok(decoded.kind === "arrival");
      assert.deepEqual([decoded.arrival.from.length, decoded.arrival.to.length], [64, 64]);
    });

    for (const [what, more] of [
      ["was answered by somebody else", { "Answer-State": "answered" }],
      ["is in another dialplan", { "Caller-Context": "default" }],
      ["came by the devices' profile without a login", { "Caller-Context": "devices" }],
      ["was dialled by somebody else", { "Call-Direction": "outbound" }],
      ["has no name of the switch's", { "Unique-ID": "x; sched_del all" }],
      ["does not wait yet", { "Event-Name": "CHANNEL_CREATE" }],
    ] as const) {
      it(`is nobody's where it ${what}`, () => assert.equal(arrival(more).kind, "foreign"));
    }
  });

  it("of two legs names both, whoever came and whoever was dialled", () => {
    const [caller, uuid] = [ids.next("leg"), "63bd2ab2-38f8-4888-8009-6235dd4b828c"];
    const known = new ChannelNames();
    known.know(caller, uuid);
    for (const [own, other, expected] of [
      [leg, uuid, caller],
      [uuid, leg, leg],
    ] as const) {
      const all: Record<string, string> = {
        ...{ ...base, "Event-Name": "CHANNEL_BRIDGE", "Unique-ID": own },
        ...{ "Bridge-A-Unique-ID": own, "Bridge-B-Unique-ID": other },
      };
      const decoded = decodeEvent("nairobi-1", (name) => all[name], known);
      assert.ok(decoded.kind === "event" && decoded.event.kind === "bridged");
      assert.equal(decoded.event.otherLeg, expected);
    }
  });

  it("of an inbound channel belongs to the leg in its presence_data", () => {
    const decoded = decode({
      "Event-Name": "CHANNEL_PARK",
      "Unique-ID": "11111111-0000",
      variable_presence_data: leg,
    });
    assert.ok(decoded.kind === "event" && decoded.event.leg === leg);
  });

  it("of a digit has its length in ms, counted by the switch in samples", () => {
    const decoded = decode({ "Event-Name": "DTMF", "DTMF-Digit": "#", "DTMF-Duration": "960" });
    assert.deepEqual(decoded, {
      kind: "event",
      event: { kind: "digit", box: "nairobi-1", leg, atUs: 1795557683457259, digit: "#", durationMs: 120 },
    });
    assert.equal(decode({ "Event-Name": "DTMF", "DTMF-Digit": "x" }).kind, "ignored");
  });

  it("that we do not know, or of a recording or playback that is not ours, is ignored", () => {
    assert.equal(decode({ "Event-Name": "CODEC" }).kind, "ignored");
    assert.equal(decode({ "Event-Name": "RECORD_STOP", "Record-File-Path": "/x/test1.wav" }).kind, "ignored");
    const complete = { "Event-Name": "CHANNEL_EXECUTE_COMPLETE", "Application-Response": "FILE PLAYED" };
    assert.equal(
      decode({ ...complete, Application: "playback", "Application-UUID": "d9e32cec" }).kind,
      "ignored",
    );
    assert.equal(decode({ ...complete, Application: "park", "Application-UUID": "play:x" }).kind, "ignored");
  });

  it("names its recording by the file", () => {
    const recording = ids.next("rec");
    assert.equal(recordingOf(`/var/spool/${recording}.wav`), recording);
    assert.equal(recordingOf(`/var/spool/${recording}.mp3`), undefined);
    assert.equal(recordingOf(`${recording}/x.wav`), undefined);
  });
});
