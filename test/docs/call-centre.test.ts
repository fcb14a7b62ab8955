import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { wav } from "../media/wav.ts";
import { eventually } from "../peers/waiting.ts";
import type { ApiCall } from "../world/customer.ts";
import { Desk, spoken } from "./desk.ts";
import type { Recipe } from "./recipe.ts";

const lacks = (["curl", "bash"] as const).find(
  (command) => spawnSync(command, ["--version"], { stdio: "ignore" }).status !== 0,
);
const suite = lacks !== undefined && !process.env["CI"] ? describe.skip : describe;

const neverPicksUp = "+254700000180";
const humsAt880Hz = "+254700000002";
const supervisor = "+254700000001";

/** Each block is run as it stands on the page, but for the addresses. */
suite(`the call centre's page${lacks === undefined ? "" : ` (skipped: no ${lacks})`}`, function () {
  this.timeout(120_000);
  let desk: Desk;
  let page: Recipe;
  before(async () => {
    desk = await Desk.open();
    page = await desk.recipe("call-centre.md");
  });
  after(() => desk.close());

  const times = ({ events }: ApiCall, kind: string) => events.filter((event) => event.kind === kind).length;
  const told = ({ id }: { id: string }, kind: string, count = 1) =>
    desk.customer.until(id, `${kind} #${count}`, (call) => times(call, kind) >= count);
  const said = (call: { id: string }, text: RegExp) =>
    desk.customer.until(call.id, String(text), (seen) => spoken(seen).some((one) => text.test(one)));
  /** The newest call to or from that number that is not over. */
  const live = (number: string) => desk.call({ number, status: "initiated,ringing,answered" });
  /** What is put into the room of whoever waits is on their call as that. */
  const places = async ({ id }: { id: string }) =>
    times(await desk.customer.call(id), "conference.announced");
  /** What somebody hears from here on. */
  async function hears(who: { placedBy: string } | { calledAt: string }, hz: number): Promise<void> {
    const heard = async () => {
      const { calls, placed } = await desk.carrier();
      const call =
        "placedBy" in who
          ? placed.find(({ from, ended_at }) => from === who.placedBy && ended_at === null)
          : calls.find(({ number, ended_at }) => number === who.calledAt && ended_at === null);
      return (call?.heard ?? []).flatMap((tone) => Array<number | null>(tone.seconds).fill(tone.hz));
    };
    const before = (await heard()).length;
    await eventually(`${hz} Hz heard by ${JSON.stringify(who)}`, async () =>
      (await heard()).slice(before).some((one) => one !== null && Math.abs(one - hz) < 5) ? true : undefined,
    );
  }

  it("queues callers, rings one agent after another, has a supervisor listen, and outlives its own death", async () => {
    const WAIT_MUSIC = await desk.customer.upload(wav({ hz: 700, seconds: 5 }));
    const env = { WAIT_MUSIC, RING_SECONDS: "5" };
    const [, callIn, second, look, listen, whisper, unhold, unmute, kick, hangUp, agentGoes] =
      page.blocks("sh");
    const functions = callIn!.slice(callIn!.indexOf("ask()"), callIn!.indexOf("FIRST="));
    const leg = /^leg\(\).*$/m.exec(whisper!)![0];
    const sh = (code: string | undefined) => page.sh(`${functions}\n${leg}\n${code}`);

    // The first agent does not answer, and the caller hears their music.
    const server = await page.serve(env);
    await page.sh(callIn);
    const first = await live("+254722000001");
    const unanswered = await live(neverPicksUp);
    await told(first, "conference.announced");
    await hears({ placedBy: "+254722000001" }, 700);
    assert.equal((await desk.customer.ended(unanswered.id)).status, "no_answer");

    // The next one does.
    const agent = await live(humsAt880Hz);
    assert.match(
      spoken(await said(agent, /has waited/))[0]!,
      /^A caller has waited ([5-9]|1\d|2\d) seconds\.$/,
    );
    await told(first, "conference.started");
    await hears({ placedBy: "+254722000001" }, 880);

    // Others wait; one of them hangs up, and the place behind is a place further.
    const leaves = await page.sh(`${functions}\ncall +254722000009`).then(() => live("+254722000009"));
    await told(leaves, "conference.announced");
    await sh(second);
    const waits = await live("+254722000002");
    await told(waits, "conference.announced");
    await sh(
      "curl -s -X DELETE $CARRIER/calls/$(curl -s $CARRIER/calls | field '.placed.find(({ from }) => from === \"+254722000009\").sip_call_id')",
    );
    await told(waits, "conference.announced", 2);

    // The supervisor, who is heard by nobody at first.
    await sh(look);
    await sh(listen);
    const listens = await live(supervisor);
    await told(listens, "conference.joined");
    await sh(whisper);
    await told(agent, "conference.announced");
    await told(first, "conference.held");
    await hears({ placedBy: "+254722000001" }, 700);
    // Of the two voices that she heard one is left.
    await hears({ calledAt: supervisor }, 880);
    await sh(unhold);
    await told(first, "conference.unheld");
    await hears({ placedBy: "+254722000001" }, 880);
    assert.equal(await places(first), 1, "the agent's word is the agent's");
    await sh(unmute);
    await told(listens, "conference.unmuted");
    await sh(kick);
    assert.equal((await desk.customer.ended(listens.id)).status, "completed");

    // Killed, and started again: the talk and the queue are where they were.
    server.kill("SIGKILL");
    await server.exited();
    const again = await page.serve(env);
    await told(waits, "conference.announced", 3);
    assert.equal((await desk.customer.call(agent.id)).status, "answered");

    // The agent has the next one at once, and goes.
    await sh(hangUp);
    await told(waits, "conference.started");
    assert.equal(spoken(await desk.customer.call(agent.id)).length, 2);
    await sh(agentGoes);
    assert.equal(spoken(await desk.customer.ended(waits.id)).at(-1), "Thank you for calling. Goodbye.");
    await desk.customer.ended(agent.id);
    assert.equal(times(await desk.customer.call(first.id), "conference.left"), 1);

    await meanwhile(again, env);
  });

  /** Callers, agents and the program itself who go at the wrong moment. */
  async function meanwhile(running: Awaited<ReturnType<Recipe["serve"]>>, env: Record<string, string>) {
    const comes = async (number: string) => {
      const from = JSON.stringify({ from: number, to: "+254200000001" });
      await page.sh(`CALL=$(curl -s -X POST $CARRIER/calls -d '${from}')`);
      return live(number);
    };
    await running.stop();
    // One agent who answers.
    let server = await page.serve({ ...env, AGENTS: humsAt880Hz });

    // The program dies while the agent is told, and the caller goes while they are told anew.
    const wambui = await comes("+254722000005");
    const agent = await live(humsAt880Hz);
    await told(agent, "say.started");
    server.kill("SIGKILL");
    await server.exited();
    server = await page.serve({ ...env, AGENTS: humsAt880Hz });
    await told(agent, "document.replaced");
    await told(agent, "say.started", 2);
    await desk.customer.hangUp(wambui.id);
    const over = await desk.customer.ended(agent.id);
    assert.equal(spoken(over).at(-1), "Nobody is waiting. Goodbye.");
    assert.equal(times(over, "conference.started"), 0);

    // The agent goes while they are told: the caller is given to who is rung next.
    const kamau = await comes("+254722000006");
    const goes = await live(humsAt880Hz);
    await told(goes, "say.started");
    await desk.customer.hangUp(goes.id);
    await desk.customer.ended(goes.id);
    await told(kamau, "conference.started");
    await desk.customer.hangUp(kamau.id);
    await server.stop();

    // One who does not: nobody is rung for a caller who has gone.
    await page.serve({ ...env, RING_SECONDS: "60", AGENTS: neverPicksUp });
    const njeri = await comes("+254722000007");
    const rung = await live(neverPicksUp);
    await desk.customer.hangUp(njeri.id);
    assert.equal((await desk.customer.ended(rung.id)).failure_code, "canceled");
  }
});
