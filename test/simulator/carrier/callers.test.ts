import assert from "node:assert/strict";
import { systemClock } from "../../../engine/clock.ts";
import { type Carrier, startCarrier } from "../../../engine/simulator/carrier/carrier.ts";
import { dominantTone } from "../../../engine/simulator/media/goertzel.ts";
import type { SipAgent } from "../../../engine/simulator/sip/call.ts";
import { eventually } from "../../peers/waiting.ts";
import { agent, closeAgents, happens, hear, host, nextInvite, within } from "../sip/agents.ts";

describe("the people of the simulated carrier", function () {
  this.timeout(10_000);
  let carrier: Carrier;
  let exchange: SipAgent;
  beforeEach(async () => {
    carrier = await startCarrier({ host, port: 0, clock: systemClock });
    exchange = await agent();
  });
  afterEach(async () => {
    await closeAgents();
    await carrier.close();
  });

  const wanjiru = { from: "+254722000001", to: "+254200000001" };
  const at = () => `${host}:${exchange.port}`;
  const arrives = () => within("the call", nextInvite(exchange));

  async function post(body: unknown): Promise<{ status: number; body: Record<string, unknown> }> {
    const response = await fetch(`${carrier.statusUrl}/calls`, {
      method: "POST",
      body: JSON.stringify(body),
    });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  }

  async function placed(id: unknown): Promise<Record<string, unknown> | undefined> {
    const response = await fetch(`${carrier.statusUrl}/calls`);
    const calls = ((await response.json()) as { placed: Record<string, unknown>[] }).placed;
    return calls.find((call) => call["sip_call_id"] === id);
  }

  it("ring the switch, talk, press keys and hang up, as they were told to", async () => {
    const arrival = arrives();
    const { status, body } = await post({
      ...{ ...wanjiru, switch: at(), tone_hz: 600, digits: "4#" },
      ...{ digits_after_ms: 1_000, hang_up_after_ms: 2_500 },
    });
    const made = await arrival;
    assert.deepEqual([status, made.fromUser, made.toUser], [201, wanjiru.from, wanjiru.to]);
    made.ring();
    const ended = happens(made, "ended", 5_000);
    made.answer();
    let digits = "";
    made.media!.onDigit((digit) => (digits += digit));
    assert.equal(dominantTone(await hear(made))?.hz, 600);
    assert.equal((await ended)[0].by, "them");
    assert.equal(digits, "4#");
    const seen = await placed(body["sip_call_id"]);
    assert.deepEqual([seen?.["ended_by"], seen?.["status"]], ["caller", null]);
    assert.ok(seen?.["ringing_at"] !== null && seen?.["answered_at"] !== null);
    assert.deepEqual(carrier.calls, [], "and nobody was called");
  });

  it("press keys when they are told to, while they are in a call", async () => {
    const arrival = arrives();
    const { body } = await post({ ...wanjiru, switch: at() });
    const made = await arrival;
    const url = `${carrier.statusUrl}/calls/${encodeURIComponent(String(body["sip_call_id"]))}/digits`;
    const press = async (keys: string) => (await fetch(url, { method: "POST", body: keys })).status;
    made.ring();
    assert.equal(await press("1"), 404, "nobody has answered yet");
    let digits = "";
    made.answer();
    const all = new Promise<void>((resolve) => {
      made.media!.onDigit((digit) => {
        digits += digit;
        if (digits.length === 3) resolve();
      });
    });
    await eventually("the first key", async () => ((await press("4w2#")) === 200 ? true : undefined));
    await within("the keys", all);
    assert.equal(digits, "42#");
    assert.equal(await press("A"), 400);
    const ended = happens(made, "ended", 5_000);
    made.end();
    await ended;
    assert.equal(await press("1"), 404, "it is over");
  });

  it("give up where nobody answers, or when they are told to", async () => {
    await fetch(`${carrier.statusUrl}/switch`, { method: "PUT", body: at() });
    for (const how of ["give_up_after_ms", "DELETE"]) {
      const arrival = arrives();
      const { body } = await post({ ...wanjiru, ...(how === "DELETE" ? {} : { [how]: 300 }) });
      const made = await arrival;
      const ended = happens(made, "ended", 5_000);
      made.ring();
      const url = `${carrier.statusUrl}/calls/${encodeURIComponent(String(body["sip_call_id"]))}`;
      if (how === "DELETE") assert.equal((await fetch(url, { method: "DELETE" })).status, 200);
      assert.equal((await ended)[0].status, 487);
      assert.equal((await fetch(url, { method: "DELETE" })).status, 404, "it is over");
    }
  });

  for (const body of [
    {},
    { ...wanjiru, switch: "nowhere" },
    { ...wanjiru, switch: "127.0.0.1:70000" },
    { ...wanjiru, from: 'x" <sip:a@b>\r\nX-A: b', switch: "127.0.0.1:5060" },
    { ...wanjiru, digits: "12a", switch: "127.0.0.1:5060" },
    { ...wanjiru, color: "red", switch: "127.0.0.1:5060" },
    wanjiru,
  ]) {
    it(`are not told to do ${JSON.stringify(body)}`, async () => {
      const { status, body: answer } = await post(body);
      assert.equal(status, 400);
      assert.equal(typeof answer["error"], "string");
    });
  }
});
