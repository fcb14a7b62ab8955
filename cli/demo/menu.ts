import { systemClock } from "../../engine/clock.ts";
import type { CarrierClient } from "./carrier-client.ts";
import type { Call, Client } from "./client.ts";
import { checkBill, followCall, happened, since } from "./follow.ts";
import { achieng, otieno } from "./people.ts";
import { webhooksOf, type Stage } from "./two-parties.ts";
import type { ReceivedEvent } from "./webhook-receiver.ts";

/** Of the menu, so that a whole second of it or more is in the carrier's account of what she heard. */
const listensMs = 2_500;
const talkMs = 4_000;
/** The menu is speech, at about −20 dBFS; a line without a word is far below this. */
const audibleDbfs = -45;

const say = (text: string) => ({ say: { text } });
const menuText = "Welcome to the demo of Sautikit. For Otieno press 1. To hang up press 2.";
const menu = [{ getDigits: { numDigits: 1, nested: [say(menuText)] } }, say("No key was pressed. Goodbye.")];

/** The demo's voice application: what the number's voice URL answers. */
export function menuAnswer({ kind, data }: Pick<ReceivedEvent, "kind" | "data">): object {
  switch (kind) {
    case "call.started":
      // Of a call that we place it is no question.
      return data["direction"] === "inbound" ? { actions: menu } : {};
    case "call.answered":
      return data["direction"] === "outbound" ? { actions: menu } : {};
    case "call.digits":
      if (data["digits"] === "1")
        return { actions: [say("One moment."), { dial: { number: otieno.number } }] };
      return { actions: data["digits"] === "2" ? [{ hangup: {} }] : menu };
    case "call.dial_completed":
      return { actions: [{ hangup: {} }] };
    default:
      return {};
  }
}

/** Achieng calls the number, hears the menu, presses 1 and talks to Otieno; throws where anything is not so. */
export async function showMenu(stage: Stage, carrier: CarrierClient): Promise<void> {
  const { client, account, screen } = stage;
  const { number: from, hz } = achieng;
  screen.say(
    "calls in",
    `${achieng.name} (${from}) calls ${account.number}; its voice URL says what happens`,
  );
  const sipCallId = await carrier.callIn({ from, to: account.number, tone_hz: hz });
  const id = await arrival(client, from);
  const listened = since(listensMs);
  const talked = since(talkMs);
  let pressed = false;
  let hungUp = false;
  const call = await followCall(stage, id, async (now) => {
    if (!pressed && listened(happened(now, "say.started"))) {
      pressed = true;
      await carrier.press(sipCallId, "1");
    }
    if (!hungUp && talked(happened(now, "leg.bridged"))) {
      hungUp = true;
      await carrier.hangUp(sipCallId);
      screen.say("hangs up", achieng.name);
    }
  });
  checkBill(screen, call);
  await check(stage, call, carrier, sipCallId);
}

/** The call that the API made of hers. */
async function arrival(client: Client, from: string): Promise<string> {
  const deadlineMs = systemClock.monotonicMs() + 10_000;
  for (;;) {
    const query = `direction=inbound&number=${encodeURIComponent(from)}&limit=1`;
    const { data } = await client.get<{ data: Call[] }>(`/v1/calls?${query}`);
    if (data[0]) return data[0].id;
    if (systemClock.monotonicMs() > deadlineMs) throw new Error("The call in was never taken.");
    await systemClock.sleep(100);
  }
}

async function check(
  { screen, received }: Stage,
  call: Call,
  carrier: CarrierClient,
  sipCallId: string,
): Promise<void> {
  const [inward, outward] = call.legs;
  if (call.status !== "completed") throw new Error(`The call in is ${call.status}.`);
  const said = call.events.filter(({ kind }) => kind === "say.started").map(({ payload }) => payload["text"]);
  if (said.join() !== [menuText, "One moment."].join() || happened(call, "say.failed"))
    throw new Error(`What was said is ${JSON.stringify(said)}.`);
  const told = () => received.filter(({ data }) => data["call_id"] === call.id);
  await webhooksOf(told, ["call.started", "call.digits", "call.completed"]);
  const digits = told().filter(({ kind }) => kind === "call.digits");
  if (digits.length !== 1 || digits[0]?.data["digits"] !== "1")
    throw new Error("The key was not told exactly once.");
  if (!told().every((event) => event.verified)) throw new Error("A question's signature is wrong.");

  if (outward?.status !== "completed" || outward.to !== otieno.number)
    throw new Error("She was not put through to Otieno.");
  if (inward?.cost_minor !== 0) throw new Error("The inbound leg is not free.");

  const { heard, ended_by: endedBy } = await carrier.callOf(sipCallId);
  if (endedBy !== "caller") throw new Error("She did not hang up herself.");
  const isOtieno = ({ hz }: (typeof heard)[number]) => hz !== null && Math.abs(hz - otieno.hz) < 5;
  const otienoAt = heard.findIndex(isOtieno);
  const seconds = (some: typeof heard) => some.reduce((sum, one) => sum + one.seconds, 0);
  const menuSeconds = seconds(
    heard.slice(0, Math.max(otienoAt, 0)).filter(({ level_dbfs: level }) => (level ?? -100) > audibleDbfs),
  );
  const otienoSeconds = seconds(heard.filter(isOtieno));
  screen.say(
    "heard",
    `${achieng.name}: ${menuSeconds} s of the menu, then ${otienoSeconds} s of ${otieno.name}'s ${otieno.hz} Hz`,
  );
  if (menuSeconds < 1 || otienoSeconds < 2) throw new Error(`She heard ${JSON.stringify(heard)}.`);
}
