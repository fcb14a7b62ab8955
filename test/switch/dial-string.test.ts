import assert from "node:assert/strict";
import fc from "fast-check";
import type { RecordingId } from "../../engine/ids.ts";
import { ChannelNames } from "../../engine/switch/channel-names.ts";
import { dialString, scheduleKill } from "../../engine/switch/dial-string.ts";
import type { Branch, DeviceContact, Originate } from "../../engine/switch/switch.ts";
import { ids } from "./peers.ts";

const wanjiru = ids.next("leg");
const otieno = ids.next("leg");
const call = ids.next("call");
const recording = ids.next("rec");
const names = new ChannelNames();
const trunk = { kind: "trunk", gateway: "trunk-1", to: "+254722000001" } as const;
const file = (id: RecordingId) => `/var/spool/sautikit/${id}.wav`;

const branch = (more: Partial<Branch> = {}): Branch => ({
  leg: otieno,
  call,
  way: trunk,
  callerId: "+254711000001",
  ringTimeoutSeconds: 30,
  maxSeconds: 600,
  cutGroup: `cut-${otieno}-0`,
  ...more,
});
const dial = (branches: Originate["branches"], more: Partial<Originate> = {}) =>
  dialString({ then: { kind: "park" }, ignoreEarlyMedia: true, branches, ...more }, file, names);

describe("The dial string", () => {
  it("arms everything in the switch itself, and parks", () => {
    const text = dial([branch({ record: { recording, from: "answer" }, disarmOnAnswer: `idle-${wanjiru}` })]);
    assert.equal(
      text,
      "{ignore_early_media=true,originate_timeout=35}" +
        `[origination_uuid=${otieno},presence_data=${otieno},sautikit_call=${call},` +
        "origination_caller_id_number=+254711000001,origination_caller_id_name=+254711000001," +
        "rtp_disable_hold=true,outbound_redirect_fatal=true,playback_terminators=none,RECORD_STEREO=true,RECORD_MIN_SEC=0," +
        "RECORD_PRE_BUFFER_FRAMES=1,enable_file_write_buffering=false," +
        `api_on_originate='sched_api +31 ring-${otieno} uuid_kill ${otieno} NO_ANSWER',` +
        `api_on_answer_cut='sched_api +601 cut-${otieno}-0 uuid_kill ${otieno} ALLOTTED_TIMEOUT',` +
        `api_on_answer_ring='sched_del ring-${otieno}',` +
        `api_hangup_hook='sched_del cut-${otieno}-0',` +
        `api_on_answer_disarm='sched_del idle-${wanjiru}',` +
        `execute_on_answer='record_session /var/spool/sautikit/${recording}.wav']` +
        "sofia/gateway/trunk-1/+254722000001 &park()",
    );
  });

  it("joins a waiting leg, and records it from early media on", () => {
    const text = dial([branch({ record: { recording, from: "media" } })], {
      then: { kind: "intercept", leg: wanjiru },
      ignoreEarlyMedia: false,
    });
    assert.ok(text.startsWith("{ignore_early_media=false,"));
    assert.ok(text.endsWith(` &intercept(${wanjiru})`));
    assert.ok(text.includes(`,execute_on_media=record_session::/var/spool/sautikit/${recording}.wav]`));
  });

  it("joins a waiting caller by the name that the switch has for their channel", () => {
    const uuid = "63bd2ab2-38f8-4888-8009-6235dd4b828c";
    const caller = ids.next("leg");
    names.know(caller, uuid);
    const text = dial([branch()], { then: { kind: "intercept", leg: caller } });
    assert.ok(text.endsWith(` &intercept(${uuid})`));
  });

  it("dials several at once, each under its own id, and waits for the slowest", () => {
    const other = ids.next("leg");
    const text = dial([branch(), branch({ leg: other, cutGroup: `cut-${other}-0`, ringTimeoutSeconds: 45 })]);
    assert.ok(text.startsWith("{ignore_early_media=true,originate_timeout=50}["));
    assert.equal(text.split("sofia/gateway/trunk-1/+254722000001").length, 3);
    assert.ok(text.includes(`]sofia/gateway/trunk-1/+254722000001,[origination_uuid=${other},`));
  });

  it("does not let the first in early media win over the others", () => {
    assert.throws(() => dial([branch(), branch()], { ignoreEarlyMedia: false }), RangeError);
  });

  const bad = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.string({
      unit: fc.constantFrom(
        ",",
        "'",
        " ",
        "]",
        "}",
        "&",
        "|",
        "\n",
        "+254722000001",
        "leg_",
        "trunk-1",
        "$",
        "{",
      ),
    }),
  );
  const fields = [
    "leg",
    "call",
    "gateway",
    "to",
    "contact",
    "callerId",
    "cutGroup",
    "disarmOnAnswer",
  ] as const;
  const holding = (field: (typeof fields)[number], text: string): Partial<Branch> => {
    if (field === "contact") return { way: { kind: "device", contact: text as DeviceContact } };
    return field === "gateway" || field === "to" ? { way: { ...trunk, [field]: text } } : { [field]: text };
  };

  it("lets in nothing but ids, numbers and a gateway's name", () => {
    fc.assert(
      fc.property(fc.constantFrom(...fields), bad, (field, text) => {
        let made: string;
        try {
          made = dial([branch(holding(field, text))]);
        } catch (error) {
          assert.ok(error instanceof RangeError, String(error));
          return;
        }
        assert.match(text, /^(\+[0-9]{7,15}|[a-z0-9-]{1,64})$/, made);
      }),
      { numRuns: 1000 },
    );
  });

  for (const to of ["+254722000001", "254722000001", "00254722000001", "0722000001", "990722000001"]) {
    it(`dials ${to}, as a trunk may want it`, () => {
      const made = dial([branch({ way: { ...trunk, to } })]);
      assert.ok(made.endsWith(`sofia/gateway/trunk-1/${to} &park()`), made);
    });
  }

  it("names a channel otherwise than its leg, where it is dialled anew, and its timers end that channel", () => {
    const channel = "0f4b1c3e-8a77-4d52-9c1b-5a6d2e7f8091";
    const names = new ChannelNames();
    names.know(otieno, channel);
    const request = {
      then: { kind: "park" },
      ignoreEarlyMedia: true,
      branches: [branch({ channel })],
    } as const;
    const text = dialString(request, file, names);
    assert.match(text, new RegExp(`origination_uuid=${channel},presence_data=${otieno},`));
    assert.match(text, new RegExp(`ring-${otieno} uuid_kill ${channel} NO_ANSWER`));
    assert.match(text, new RegExp(`cut-${otieno}-0 uuid_kill ${channel} ALLOTTED_TIMEOUT`));
  });

  for (const to of [
    "072200",
    "+0722000001",
    "+25472",
    "+2547220000012345",
    "+254722000001,+254722000002",
    "+254 722",
  ]) {
    it(`does not dial ${to}`, () =>
      assert.throws(() => dial([branch({ way: { ...trunk, to } })]), RangeError));
  }

  it("takes only whole seconds that make sense", () => {
    for (const seconds of [0, -1, 1.5, Number.NaN, Infinity, 1e9]) {
      assert.throws(() => dial([branch({ ringTimeoutSeconds: seconds })]), RangeError, String(seconds));
      if (seconds !== 0)
        assert.throws(() => dial([branch({ maxSeconds: seconds })]), RangeError, String(seconds));
    }
  });

  it("takes no recording or waiting leg that is not an id", () => {
    const id = "rec_../../etc/passwd" as RecordingId;
    assert.throws(() => dial([branch({ record: { recording: id, from: "answer" } })]), RangeError);
    const leg = "leg_x) &system(id" as typeof otieno;
    assert.throws(() => dial([branch()], { then: { kind: "intercept", leg } }), RangeError);
  });
});

describe("A scheduled kill", () => {
  it("is never early: the switch's +N may come a second too soon", () => {
    const command = scheduleKill(`cut-${otieno}-1`, otieno, 60, "ALLOTTED_TIMEOUT");
    assert.equal(command, `sched_api +61 cut-${otieno}-1 uuid_kill ${otieno} ALLOTTED_TIMEOUT`);
  });

  it("has a group, a leg and a cause of ours", () => {
    const leg = "leg_1" as typeof otieno;
    assert.throws(() => scheduleKill(`cut-${leg}`, otieno, 1, "NO_ANSWER"), RangeError);
    assert.throws(() => scheduleKill(`cut-${otieno}`, leg, 1, "NO_ANSWER"), RangeError);
    assert.throws(() => scheduleKill(`cut-${otieno}`, otieno, 1, "NO ANSWER"), RangeError);
  });

  it("names a caller's channel as the switch does, and its group as we do", () => {
    const uuid = "63bd2ab2-38f8-4888-8009-6235dd4b828c";
    const caller = ids.next("leg");
    names.know(caller, uuid);
    const command = scheduleKill(`cut-${caller}-1`, caller, 60, "ALLOTTED_TIMEOUT", names);
    assert.equal(command, `sched_api +61 cut-${caller}-1 uuid_kill ${uuid} ALLOTTED_TIMEOUT`);
  });
});

describe("The names of channels", () => {
  const uuid = "63bd2ab2-38f8-4888-8009-6235dd4b828c";

  it("are a leg's id until another is known, and again once it is forgotten", () => {
    const caller = ids.next("leg");
    const known = new ChannelNames();
    assert.deepEqual([known.channelOf(caller), known.legOf(uuid)], [caller, undefined]);
    known.know(caller, uuid);
    assert.deepEqual([known.channelOf(caller), known.legOf(uuid)], [uuid, caller]);
    known.forget(caller);
    assert.deepEqual(
      [known.channelOf(caller), known.legOf(uuid), known.legOf(caller)],
      [caller, undefined, caller],
    );
  });

  it("come from the last listing where nobody made them known", () => {
    const caller = ids.next("leg");
    const known = new ChannelNames();
    known.list(new Map([[caller, uuid]]));
    assert.equal(known.channelOf(caller), uuid);
    known.list(new Map());
    assert.equal(known.channelOf(caller), caller);
  });

  it("are nothing but uuids", () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.constantFrom(`${uuid} x`, `${uuid}\n`, uuid.toUpperCase())),
        (text) => {
          assert.throws(() => new ChannelNames().know(wanjiru, text), RangeError);
        },
      ),
    );
  });
});
