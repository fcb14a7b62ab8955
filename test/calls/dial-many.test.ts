import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { CallId, LegId } from "../../engine/ids.ts";
import { wav } from "../media/wav.ts";
import type { CarrierCallView } from "../peers/carrier-process.ts";
import { sideBySide } from "../peers/side-by-side.ts";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import { eventually } from "../peers/waiting.ts";
import { EslClient } from "../simulator/switch/esl-client.ts";
import { interferedBox } from "./interfered-box.ts";
import { eventOf, kindsOf, nairobi, world, type SeenCall, type World } from "./world.ts";

/** Engine/simulator/carrier/magic-numbers.ts has them all. */
const wanjiru = "+254700000001";
const [atOnce, atOnceToo, hangsUpAfter3] = ["+254700000002", "+254700000005", "+254700000103"] as const;
const [ringsFor5, ringsForEver] = ["+254700000003", "+254700000180"] as const;
const [busy, declines, unknown, away] = [
  "+254700000486",
  "+254700000603",
  "+254700000404",
  "+254700000480",
] as const;
const announces = "+254700000183";
/** Rings for a second, then answers. */
const otieno = "+254722000002";

function outcome(call: SeenCall): Record<string, unknown> {
  return eventOf(call, "call.dial_completed").payload;
}

/** The dialled legs, in the order of the list. */
const dialled = (call: SeenCall) => call.legs.slice(1);

const ring =
  (parties: number) =>
  ({ legs }: SeenCall): boolean =>
    legs.length === parties + 1 && legs.slice(1).every(({ status }) => status === "ringing");

/** Only the winner was joined, and nobody else costs anything. */
function wonBy(call: SeenCall, number: string): void {
  for (const leg of dialled(call)) {
    if (leg.to === number) {
      assert.equal(leg.status, "completed");
      continue;
    }
    assert.deepEqual([leg.billed_seconds, leg.cost_minor, leg.answered_at], [0, 0, null], leg.to);
    const end = call.events.find(({ kind, payload }) => kind === "leg.ended" && payload["leg_id"] === leg.id);
    assert.equal(end?.payload["cost_minor"], 0);
  }
  const winner = dialled(call).find(({ to }) => to === number);
  const joined = call.events.filter(({ kind }) => kind === "leg.bridged");
  assert.equal(joined.length, 1);
  assert.ok(Object.values(joined[0]!.payload).includes(winner!.id));
}

describeOnSwitch("a dial to several", () => {
  let on: World;
  let web: Awaited<ReturnType<typeof musicServer>>;
  before(async () => {
    web = await musicServer();
    on = await world();
  });
  after(async () => {
    web.close();
    await on.end();
  });
  const together = sideBySide(20);

  together("is joined to the first to answer; the others are canceled and free", async () => {
    const numbers = [ringsForEver, otieno, busy, ringsFor5];
    const id = await on.place({ to: wanjiru, actions: [{ dial: { numbers } }, { wait: { seconds: 1 } }] });
    const up = await on.event(id, "leg.bridged");
    const winner = dialled(up).find(({ to }) => to === otieno)!;
    await on.until(id, "two seconds of talk", ({ legs }) => legs[2]!.billed_seconds >= 2);
    await esl(on, `uuid_kill ${winner.id}`);
    const call = await on.ended(id);
    wonBy(call, otieno);
    assert.deepEqual(
      dialled(call).map(({ to, status }) => [to, status]),
      [
        [ringsForEver, "canceled"],
        [otieno, "completed"],
        [busy, "busy"],
        [ringsFor5, "canceled"],
      ],
    );
    assert.deepEqual(
      dialled(call)
        .filter(({ status }) => status === "canceled")
        .map(({ hangup_cause }) => hangup_cause),
      ["lose_race", "lose_race"],
    );
    const { to, dial_status, dial_duration_seconds, leg_id, failure_code } = outcome(call);
    assert.deepEqual([to, dial_status, leg_id, failure_code], [otieno, "completed", winner.id, null]);
    assert.equal(dial_duration_seconds, dialled(call)[1]!.billed_seconds);
    assert.equal(call.events.filter(({ kind }) => kind === "dial.started").length, 4);
    assert.ok(kindsOf(call).includes("document.ended"), "the next action ran");
  });

  together(
    "of whom several pick up in the same instant has one of them, and the others pay nothing",
    async () => {
      const numbers = [atOnce, atOnceToo, "+254700000006", "+254700000007"];
      const id = await on.place({ to: wanjiru, actions: [{ dial: { numbers } }] });
      const up = await on.event(id, "leg.bridged");
      await on.until(
        id,
        "the others' end",
        ({ legs }) => legs.filter(({ ended_at }) => ended_at !== null).length === 3,
      );
      const [winner, ...more] = dialled(await on.view(id)).filter(({ status }) => status === "answered");
      assert.deepEqual(more, []);
      assert.ok(Object.values(eventOf(up, "leg.bridged").payload).includes(winner!.id));
      await on.hangUp(id);
      const call = await on.ended(id);
      wonBy(call, winner!.to);
      assert.equal(dialled(call).filter(({ status }) => status === "canceled").length, 3);
    },
  );

  together("that is recorded has the winner's recording, and nothing of the others", async () => {
    const numbers = [ringsForEver, atOnce, atOnceToo];
    const id = await on.place({ to: wanjiru, actions: [{ dial: { numbers, record: true } }] });
    await on.event(id, "leg.bridged");
    await on.until(id, "a second of talk", ({ legs }) =>
      legs.some(({ to, billed_seconds }) => to !== wanjiru && billed_seconds >= 2),
    );
    await on.hangUp(id);
    const call = await on.ended(id);
    const winner = dialled(call).find(({ status }) => status === "completed")!;
    const rows = await eventually(
      "every recording's last state",
      async () => {
        const found = await on.recordingsOf(id);
        return found.every(({ status }) => status === "ready" || status === "empty") ? found : undefined;
      },
      { withinMs: 30_000 },
    );
    assert.deepEqual(
      rows.map(({ legId, status }) => [legId, status]).sort(),
      dialled(call)
        .map(({ id: leg }) => [leg, leg === winner.id ? "ready" : "empty"])
        .sort(),
    );
  });

  together("of whom nobody answers says what tells most, and the next action runs", async () => {
    const story: [numbers: string[], status: string, code: string][] = [
      [[busy, declines, unknown], "failed", "rejected"],
      [[unknown, busy, away], "busy", "busy"],
      [[ringsForEver, unknown], "no_answer", "no_answer"],
    ];
    for (const [numbers, status, code] of story) {
      const actions = [{ dial: { numbers, timeout: 5 } }, { wait: { seconds: 1 } }];
      const call = await on.ended(await on.place({ to: wanjiru, actions }));
      const told = outcome(call);
      assert.deepEqual(
        [told["dial_status"], told["failure_code"], told["leg_id"], told["to"]],
        [status, code, null, null],
      );
      assert.equal(told["dial_duration_seconds"], 0);
      assert.ok(dialled(call).every(({ cost_minor }) => cost_minor === 0));
      assert.ok(kindsOf(call).includes("document.ended"));
      assert.ok(!kindsOf(call).includes("leg.bridged"));
    }
  });

  together("leaves out a number that may no longer be dialled, and says so", async () => {
    const workspaceId = await on.workspace("+254200000021");
    const allow = (countries: string) =>
      on.store.write((tx) =>
        tx.run("UPDATE workspaces SET allowed_countries = ? WHERE id = ?", [countries, workspaceId]),
      );
    await allow('["KE","UG"]');
    const numbers = ["+256772123456", hangsUpAfter3];
    const actions = [{ wait: { seconds: 2 } }, { dial: { numbers } }, { wait: { seconds: 1 } }];
    const from = { workspaceId, e164: "+254200000021" };
    const id = await on.place({ to: wanjiru, actions }, from);
    await allow('["KE"]');
    const call = await on.ended(id);
    const refused = eventOf(call, "dial.refused").payload;
    assert.deepEqual([refused["to"], refused["code"]], ["+256772123456", "calls.destination_not_allowed"]);
    assert.equal(outcome(call)["to"], hangsUpAfter3);
    assert.deepEqual(
      dialled(call).map(({ to }) => to),
      [hangsUpAfter3],
    );
  });

  together("ignores an announcement, which would else be taken for an answer", async () => {
    const numbers = [announces, otieno];
    const id = await on.place({ to: wanjiru, actions: [{ dial: { numbers } }] });
    const up = await on.event(id, "leg.bridged");
    assert.equal(dialled(up).find(({ status }) => status === "answered")?.to, otieno);
    await on.hangUp(id);
    wonBy(await on.ended(id), otieno);
  });

  together("whose caller hangs up while they ring stops every phone", async () => {
    const numbers = [ringsFor5, ringsForEver];
    const from = { workspaceId: await on.workspace("+254200000022"), e164: "+254200000022" };
    const id = await on.place({ to: wanjiru, actions: [{ dial: { numbers } }, { hangup: {} }] }, from);
    await on.until(id, "ringing", ring(2));
    await on.hangUp(id, from.workspaceId);
    const call = await on.ended(id);
    assert.ok(dialled(call).every(({ status, cost_minor }) => status === "canceled" && cost_minor === 0));
    assert.equal(dialled(call).length, 2);
    assert.deepEqual([outcome(call)["dial_status"], outcome(call)["failure_code"]], ["canceled", "canceled"]);
    const rang = await phones(on, numbers, from.e164);
    assert.deepEqual(
      rang.map(({ answered_at, status }) => [answered_at, status]),
      [
        [null, 487],
        [null, 487],
      ],
    );
  });

  together("whose caller's phone goes down while they ring stops every phone", async () => {
    const numbers = [ringsFor5, ringsForEver];
    const id = await on.place({ to: wanjiru, actions: [{ dial: { numbers } }, { hangup: {} }] });
    const { legs } = await on.until(id, "ringing", ring(2));
    await esl(on, `uuid_kill ${legs[0]!.id} NORMAL_CLEARING`);
    const call = await on.ended(id);
    assert.deepEqual(
      dialled(call).map(({ status }) => status),
      ["canceled", "canceled"],
    );
  });

  together("whose caller hangs up in the talk ends with it", async () => {
    const id = await on.place({ to: wanjiru, actions: [{ dial: { numbers: [atOnce, ringsForEver] } }] });
    await on.event(id, "leg.bridged");
    await on.hangUp(id);
    const call = await on.ended(id);
    wonBy(call, atOnce);
    assert.equal(outcome(call)["dial_status"], "completed");
  });

  describe("with hangupOnStar", () => {
    /** Sends back every digit that it hears, so that a digit sent to it is one that it types. */
    const repeats = "+254700000004";
    const types = (leg: LegId, digits: string) => esl(on, `uuid_send_dtmf ${leg} ${digits}`);

    together("is ended by the caller's star while it rings", async () => {
      const dial = { numbers: [ringsForEver, ringsFor5], timeout: 60, hangupOnStar: true };
      const id = await on.place({ to: repeats, actions: [{ dial }, { wait: { seconds: 1 } }] });
      const { legs } = await on.until(id, "ringing", ring(2));
      await types(legs[0]!.id, "*");
      const call = await on.ended(id);
      assert.equal(outcome(call)["dial_status"], "canceled");
      assert.ok(dialled(call).every(({ status }) => status === "canceled"));
      assert.ok(kindsOf(call).includes("document.ended"));
    });

    together("is ended by the caller's star in the talk, and what else they typed is left", async () => {
      const dial = { number: atOnce, hangupOnStar: true };
      const id = await on.place({
        to: repeats,
        actions: [{ dial }, { getDigits: { numDigits: 2, timeout: 5 } }],
      });
      const { legs } = await on.event(id, "leg.bridged");
      await types(legs[0]!.id, "4");
      await sleep(700);
      await types(legs[0]!.id, "2");
      await sleep(700);
      await types(legs[0]!.id, "*");
      const call = await on.ended(id);
      assert.equal(outcome(call)["dial_status"], "completed");
      assert.equal(eventOf(call, "call.digits").payload["digits"], "42");
    });

    together(
      "is not ended by the callee's star, nor by the caller's where it was not asked for",
      async () => {
        const asked = await on.place({
          to: wanjiru,
          actions: [{ dial: { number: repeats, hangupOnStar: true } }],
        });
        const unasked = await on.place({ to: repeats, actions: [{ dial: { number: atOnce } }] });
        const stars: [CallId, number][] = [
          [asked, 1],
          [unasked, 0],
        ];
        for (const [id, position] of stars) {
          const { legs } = await on.event(id, "leg.bridged");
          await types(legs[position]!.id, "*");
        }
        await sleep(1_500);
        for (const [id] of stars) {
          const { legs } = await on.view(id);
          assert.ok(legs.every(({ status }) => status === "answered"));
          await on.hangUp(id);
          await on.ended(id);
        }
      },
    );
  });

  describe("with ringback", () => {
    /** Seconds of each tone that Wanjiru's phone has heard. */
    async function heard(number: string, hz: number): Promise<number> {
      const [call] = (await on.carrier.calls()).filter((it) => it.number === number);
      return (call?.heard ?? [])
        .filter((tone) => Math.abs((tone.hz ?? 0) - hz) <= 10)
        .reduce((sum, { seconds }) => sum + seconds, 0);
    }
    const hears = (number: string, hz: number, seconds: number) =>
      eventually(
        `${hz} Hz at ${number} for ${seconds} s`,
        async () => ((await heard(number, hz)) >= seconds ? true : undefined),
        { withinMs: 15_000 },
      );

    together(
      "lets the caller hear the file, over and over, until somebody answers, and no more of it then",
      async () => {
        const caller = "+254722000041";
        const dial = { numbers: [ringsFor5, ringsForEver], ringback: `${web.url}/music.wav` };
        const id = await on.place({ to: caller, actions: [{ dial }] });
        await on.event(id, "leg.bridged");
        // Longer than the file is: it was begun again.
        assert.ok((await heard(caller, 700)) > 2.5, `${await heard(caller, 700)} s`);
        await hears(caller, 440, 2);
        const music = await heard(caller, 700);
        await hears(caller, 440, 3);
        assert.equal(await heard(caller, 700), music);
        await on.hangUp(id);
        await on.ended(id);
      },
    );

    together("that takes its time delays nothing: the tone is heard until it comes", async () => {
      const caller = "+254722000042";
      const dial = { number: ringsFor5, ringback: `${web.url}/slow.wav` };
      const id = await on.place({ to: caller, actions: [{ dial }] });
      const { legs } = await on.until(id, "ringing", (call) => call.legs[1]?.status === "ringing");
      await hears(caller, 425, 0.5);
      await hears(caller, 700, 0.5);
      const [seen] = (await on.carrier.calls()).filter(({ number }) => number === caller);
      assert.ok(Date.now() - Date.parse(legs[0]!.answered_at!) < 9_000 && seen);
      await on.event(id, "leg.bridged");
      await on.hangUp(id);
      await on.ended(id);
    });

    together("that cannot be had leaves the tone, and says why", async () => {
      const caller = "+254722000043";
      const dial = { number: ringsForEver, timeout: 5, ringback: `${web.url}/gone.wav` };
      const id = await on.place({ to: caller, actions: [{ dial }, { wait: { seconds: 1 } }] });
      await hears(caller, 425, 0.5);
      const call = await on.ended(id);
      assert.deepEqual(eventOf(call, "dial.ringback_failed").payload, {
        url: dial.ringback,
        reason: "fetch_failed",
        status: 404,
        fault: null,
      });
    });

    together("falls silent when nobody answers, and the next action is heard", async () => {
      const caller = "+254722000044";
      const dial = { number: ringsForEver, timeout: 5, ringback: `${web.url}/music.wav` };
      const actions = [{ dial }, { play: { url: on.promptUrl } }];
      const call = await on.ended(await on.place({ to: caller, actions }));
      assert.ok(kindsOf(call).includes("play.finished"));
      assert.equal(outcome(call)["dial_status"], "no_answer");
    });
  });
});

describeOnSwitch("a dial to several whose caller goes", () => {
  const numbers = ["+254712000051", ringsForEver];
  let on: World;
  afterEach(() => on.end());

  it("before the switch was asked rings nobody", async () => {
    const asked = Promise.withResolvers<undefined>();
    const go = Promise.withResolvers<undefined>();
    on = await world({
      tap: (box) =>
        interferedBox(box, {
          async question(question, _leg, ask) {
            // The last that is done before the originate.
            if (question === "playRingback") {
              asked.resolve(undefined);
              await go.promise;
            }
            return ask();
          },
        }),
    });
    const id = await on.place({ to: wanjiru, actions: [{ dial: { numbers } }] });
    await asked.promise;
    await on.hangUp(id);
    go.resolve(undefined);
    const call = await on.ended(id);
    assert.deepEqual(
      dialled(call).map(({ status }) => status),
      ["canceled", "canceled"],
    );
    assert.deepEqual(await phones(on, numbers), []);
  });

  it("in the instant of the answer talks with nobody", async () => {
    const leg = Promise.withResolvers<LegId>();
    on = await world({
      tap: (box) =>
        interferedBox(box, {
          event(event, tell) {
            if (event.kind !== "answered") return tell();
            // The second answer is Otieno's: by the time that we hear of it Wanjiru's phone is down.
            const first = onFirst;
            onFirst = false;
            if (first) leg.resolve(event.leg);
            else void leg.promise.then((id) => esl(on, `uuid_kill ${id}`)).then(tell);
            if (first) tell();
          },
        }),
    });
    let onFirst = true;
    const id = await on.place({ to: wanjiru, actions: [{ dial: { numbers } }] });
    const call = await on.ended(id);
    assert.equal(call.status, "completed");
    assert.ok(dialled(call).every(({ ended_at }) => ended_at !== null));
    assert.equal(dialled(call)[1]!.status, "canceled");
    assert.ok(dialled(call)[0]!.billed_seconds <= 1);
    assert.ok((await phones(on, numbers)).every(({ ended_at }) => ended_at !== null));
  });
});

describeOnSwitch("a dial to several while the controller is away", () => {
  let on: World;
  beforeEach(async () => {
    on = await world();
  });
  afterEach(() => on.end());

  it("is joined by the switch all the same, and the next controller knows who won", async () => {
    const numbers = [ringsForEver, otieno, ringsFor5];
    const id = await on.place({ to: wanjiru, actions: [{ dial: { numbers } }, { wait: { seconds: 1 } }] });
    await on.until(id, "ringing", ring(3));
    await on.stopController();
    const [seen] = await eventually("Otieno's answer", async () => {
      const rang = await phones(on, [otieno]);
      // Wanjiru's voice: the switch has joined them.
      return rang.some(({ packets }) => (packets?.received ?? 0) > 50) ? rang : undefined;
    });
    assert.notEqual(seen?.answered_at, null);
    await on.control();
    await on.until(
      id,
      "the losers' end",
      ({ legs }) => legs[1]?.ended_at != null && legs[3]?.ended_at != null,
    );
    await on.until(id, "the bridge", (call) => kindsOf(call).includes("leg.bridged"));
    const up = await on.view(id);
    await esl(on, `uuid_kill ${up.legs[2]!.id}`);
    const call = await on.ended(id);
    wonBy(call, otieno);
    assert.equal(outcome(call)["leg_id"], up.legs[2]!.id);
    assert.ok(kindsOf(call).includes("document.ended"));
  });

  it("is taken up while they ring on", async () => {
    const numbers = [ringsForEver, ringsFor5];
    const id = await on.place({ to: wanjiru, actions: [{ dial: { numbers } }] });
    await on.until(id, "ringing", ring(2));
    await on.control();
    const up = await on.event(id, "leg.bridged");
    assert.equal(up.legs.filter(({ status }) => status === "ringing").length, 0);
    await on.hangUp(id);
    wonBy(await on.ended(id), ringsFor5);
  });
});

/** Two seconds of 700 Hz: `/music.wav`; `/slow.wav` takes its time, and `/gone.wav` is none. */
async function musicServer(): Promise<{ url: string; close: () => void }> {
  const music = wav({ seconds: 2, hz: 700 });
  const server = createServer((request, response) => {
    const answer = () => {
      if (request.url === "/gone.wav") response.writeHead(404).end();
      else response.setHeader("Content-Type", "audio/wav").end(music);
    };
    if (request.url === "/slow.wav") setTimeout(answer, 3_000);
    else answer();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** Does at the switch what the parties' phones cannot be told to. */
async function esl(on: World, command: string): Promise<void> {
  const client = await EslClient.login(on.peer.esl.port, on.peer.esl.password, "CHANNEL_HANGUP");
  try {
    await client.api(command);
  } finally {
    client.close();
  }
}

/** What the carrier says of those that rang. */
const phones = async (on: World, numbers: readonly string[], cli = nairobi): Promise<CarrierCallView[]> =>
  (await on.carrier.calls()).filter(
    ({ number, from }) => numbers.includes(number) && from.replace(/^\+?/, "+") === cli,
  );
