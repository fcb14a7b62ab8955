import assert from "node:assert/strict";
import { sideBySide } from "../peers/side-by-side.ts";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import { eventOf, kindsOf, world, type SeenCall, type World } from "./world.ts";

/** How a call ends when the callee never answers: by the number dialled, magic-numbers.ts. */
const unanswered: [
  what: string,
  to: string,
  end: Partial<SeenCall> & { sip: number | null; rang: boolean },
][] = [
  [
    "is busy",
    "+254700000486",
    { status: "busy", failure_code: "busy", hangup_cause: "user_busy", sip: 486, rang: false },
  ],
  [
    "rings for a second and declines",
    "+254700000603",
    { status: "failed", failure_code: "rejected", hangup_cause: "call_rejected", sip: 603, rang: true },
  ],
  [
    "is not allocated",
    "+254700000404",
    {
      status: "failed",
      failure_code: "unallocated_number",
      hangup_cause: "unallocated_number",
      sip: 404,
      rang: false,
    },
  ],
  [
    "is temporarily unavailable",
    "+254700000480",
    {
      status: "no_answer",
      failure_code: "no_answer",
      hangup_cause: "no_user_response",
      sip: 480,
      rang: false,
    },
  ],
  [
    "cannot be reached, since the carrier has no capacity",
    "+254700000503",
    {
      status: "failed",
      failure_code: "carrier_failure",
      hangup_cause: "normal_temporary_failure",
      sip: 503,
      rang: false,
    },
  ],
  [
    "is announced to be unavailable",
    "+254700000185",
    {
      status: "no_answer",
      failure_code: "no_answer",
      hangup_cause: "no_user_response",
      sip: 480,
      rang: true,
    },
  ],
];

function checkUnanswered(call: SeenCall, end: (typeof unanswered)[number][2]): void {
  const { status, failure_code, hangup_cause } = call;
  assert.deepEqual(
    {
      status,
      failure_code,
      hangup_cause,
      sip: call.legs[0]?.sip_status,
      rang: kindsOf(call).includes("leg.ringing"),
    },
    end,
  );
  assert.equal(call.legs[0]?.status, status);
  assert.equal(call.answered_at, null);
  assert.equal(eventOf(call, "call.failed").payload["failure_reason"], status);
}

async function placed(on: World, to: string): Promise<number> {
  return (await on.carrier.calls()).filter(({ number }) => number === to).length;
}

describeOnSwitch("a call to one party", () => {
  let on: World;
  before(async () => {
    on = await world();
  });
  after(() => on.end());
  const together = sideBySide(20);

  for (const [what, to, end] of unanswered) {
    together(`fails free of charge when Otieno ${what}`, async () => {
      checkUnanswered(await on.ended(await on.place({ to })), end);
    });
  }

  together("ends in no_answer once its ring time is over", async () => {
    const call = await on.ended(await on.place({ to: "+254700000180", ringTimeoutSeconds: 5 }));
    checkUnanswered(call, {
      status: "no_answer",
      failure_code: "no_answer",
      hangup_cause: call.hangup_cause,
      sip: call.legs[0]!.sip_status,
      rang: true,
    });
    assert.ok(["no_answer", "allotted_timeout"].includes(call.hangup_cause ?? ""), call.hangup_cause ?? "");
    const rangMs = Date.parse(call.ended_at!) - Date.parse(eventOf(call, "leg.ringing").occurred_at);
    assert.ok(rangMs > 4_900 && rangMs < 7_000, `rang for ${rangMs} ms`);
  });

  together("goes through ringing and answered, and is charged when Wanjiru hangs up", async () => {
    const id = await on.place({ to: "+254712000001" });
    assert.equal((await on.event(id, "leg.ringing")).status, "ringing");
    const up = await on.event(id, "call.answered");
    assert.equal(up.status, "answered");
    await on.hangUp(id);
    // Told twice, it is the same.
    await on.hangUp(id);
    const call = await on.ended(id);
    assert.equal(call.status, "completed");
    assert.equal(call.hangup_cause, "normal_clearing");
    assert.deepEqual(kindsOf(call), [
      ...["call.started", "leg.ringing", "leg.answered", "call.answered", "leg.ended", "call.completed"],
    ]);
    await on.hangUp(id);
    assert.deepEqual((await on.view(id)).events, call.events);
  });

  together("ends when Otieno hangs up, and is charged to the second begun", async () => {
    const call = await on.ended(await on.place({ to: "+254700000103" }));
    assert.equal(call.status, "completed");
    assert.equal(call.hangup_cause, "normal_clearing");
    // Three seconds between two ticks of the switch's clock: a tick less, or a few milliseconds more.
    assert.ok([3, 4].includes(call.duration_seconds), `${call.duration_seconds} s`);
  });

  together("is cut off by the switch at its longest duration, never earlier", async () => {
    const call = await on.ended(await on.place({ to: "+254700000001", maxDurationSeconds: 2 }));
    assert.equal(call.status, "completed");
    assert.equal(call.hangup_cause, "allotted_timeout");
    const talkedMs = Date.parse(call.ended_at!) - Date.parse(call.answered_at!);
    assert.ok(talkedMs >= 2_000 && talkedMs < 3_500, `talked for ${talkedMs} ms`);
  });

  together("hung up the moment it is placed rings nobody for long, and ends canceled", async () => {
    const id = await on.place({ to: "+254712000002" });
    await on.hangUp(id);
    const call = await on.ended(id);
    assert.equal(call.status, "canceled");
    assert.equal(call.failure_code, "canceled");
    assert.equal(call.hangup_cause, "originator_cancel");
    for (const seen of (await on.carrier.calls()).filter(({ number }) => number === "+254712000002")) {
      assert.notEqual(seen.ended_at, null);
      assert.equal(seen.answered_at, null);
    }
  });

  together("hung up as soon as its originate was marked sent, whichever comes first, ends", async () => {
    const ids = await Promise.all(
      Array.from({ length: 12 }, async (_, index) => {
        // Who rings on: however long a busy machine takes, nobody answers first.
        const id = await on.place({ to: "+254700000180" });
        // A different moment of the originate for each: the read behind it takes about that long.
        for (let turns = 0; turns < index * 2; turns++) await on.view(id);
        await on.hangUp(id);
        return id;
      }),
    );
    for (const id of ids) assert.equal((await on.ended(id)).status, "canceled");
  });

  together("hung up while it rings ends canceled, and Otieno's phone stops", async () => {
    const to = "+254700000003";
    const id = await on.place({ to });
    await on.event(id, "leg.ringing");
    await on.hangUp(id);
    const call = await on.ended(id);
    assert.equal(call.status, "canceled");
    assert.equal(call.failure_code, "canceled");
    const [seen] = (await on.carrier.calls()).filter(({ number }) => number === to);
    assert.equal(seen?.ended_by, "caller");
    assert.equal(seen.answered_at, null);
  });

  together("with an announcement before the answer is charged from the answer", async () => {
    const id = await on.place({ to: "+254700000183" });
    const up = await on.event(id, "call.answered");
    assert.equal(eventOf(up, "leg.ringing").payload["early_media"], true);
    await on.hangUp(id);
    const call = await on.ended(id);
    // Two seconds of announcement, and hardly any talk.
    assert.ok(call.duration_seconds <= 1, `${call.duration_seconds} s`);
  });

  together("without actions stays up until hung up", async () => {
    const id = await on.place({ to: "+254700000002" });
    const up = await on.event(id, "call.answered");
    assert.deepEqual(
      kindsOf(up).filter((kind) => kind.startsWith("action.")),
      [],
    );
    await on.until(id, "three seconds of talk", (call) => call.duration_seconds >= 3);
    assert.equal((await on.view(id)).status, "answered");
    await on.hangUp(id);
    await on.ended(id);
    assert.equal(await placed(on, "+254700000002"), 1);
  });
});

describeOnSwitch("a call that no switch has taken yet", () => {
  let on: World;
  before(async () => {
    on = await world({ controller: false });
  });
  after(() => on.end());
  const together = sideBySide(20);

  together("is hung up without anybody's phone ringing", async () => {
    const id = await on.place({ to: "+254712000009", record: "from-answer" });
    assert.equal((await on.view(id)).status, "initiated");
    await on.hangUp(id);
    const call = await on.ended(id);
    assert.equal(call.status, "canceled");
    assert.equal(call.failure_code, "canceled");
    assert.notEqual(call.ended_at, null);
    assert.deepEqual(kindsOf(call), ["leg.ended", "call.failed"]);
    assert.equal(await placed(on, "+254712000009"), 0);
  });
});
