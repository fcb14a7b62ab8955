import { systemClock } from "../../engine/clock.ts";
import type { Call, CallEvent, Client, Wallet } from "./client.ts";
import { kes, nameOf } from "./people.ts";
import type { Screen } from "./screen.ts";

/** A whole call, whatever goes wrong. */
const patienceMs = 50_000;

/** Shows a call's events as they come, and the meter, until it is over; `each` is what is done meanwhile. Throws where it never ends. */
export async function followCall(
  { client, screen }: { client: Client; screen: Screen },
  callId: string,
  each: (call: Call) => Promise<void>,
): Promise<Call> {
  let shown = 0;
  const deadlineMs = systemClock.monotonicMs() + patienceMs;
  for (;;) {
    const { call } = await client.get<{ call: Call }>(`/v1/calls/${callId}`);
    for (const event of call.events.slice(shown)) tell(screen, event, call);
    shown = call.events.length;
    if (happened(call, "call.completed") || happened(call, "call.failed")) return call;
    if (call.status === "answered") {
      const wallet = await client.get<Wallet>("/v1/wallet");
      screen.update(
        "meter",
        `${call.duration_seconds} s, ${kes(wallet.accrued_minor)} accrued, ${kes(wallet.available_minor)} available`,
      );
    }
    await each(call);
    if (systemClock.monotonicMs() > deadlineMs)
      throw new Error(`The call did not end; it is ${call.status}.`);
    await systemClock.sleep(200);
  }
}

export const happened = (call: Call, kind: string): boolean =>
  call.events.some((event) => event.kind === kind);

/** True from so many ms after the first time that it was asked with `begun`. */
export function since(afterMs: number): (begun: boolean) => boolean {
  let begunAtMs: number | null = null;
  return (begun) => {
    if (begun) begunAtMs ??= systemClock.monotonicMs();
    return begunAtMs !== null && systemClock.monotonicMs() - begunAtMs > afterMs;
  };
}

function tell(screen: Screen, { kind, payload }: CallEvent, call: Call): void {
  const leg = call.legs.find((candidate) => candidate.id === payload["leg_id"]);
  const who = leg ? nameOf(leg) : "";
  switch (kind) {
    case "call.started":
      return screen.say("started", "the switch took the call");
    case "leg.ringing":
      return screen.say("ringing", `${who} rings`);
    case "leg.answered":
      return screen.say("answered", leg?.direction === "inbound" ? `${who} is answered` : `${who} answers`);
    case "play.started":
      return screen.say("playing", String(payload["url"]));
    case "play.finished":
      return screen.say("played", "the prompt has ended");
    case "say.started":
      return screen.say("saying", `"${String(payload["text"])}"`);
    case "call.digits":
      return screen.say("pressed", String(payload["digits"]));
    case "dial.started":
      return screen.say("dialling", `${String(payload["to"])}; the caller hears ringback`);
    case "leg.bridged":
      return screen.say("bridged", "they hear each other");
    case "recording.started":
      return screen.say("recording", `${String(payload["recording_id"])} of ${who}`);
    case "leg.ended":
      return screen.say("hung up", `${who}: ${String(payload["hangup_cause"])}`);
    default:
  }
}

/** What each leg costs, from its seconds and its rate; throws where the product reckoned otherwise. */
export function checkBill(screen: Screen, call: Call): void {
  for (const leg of call.legs) {
    screen.say(
      "billed",
      `${nameOf(leg)}: ${leg.billed_seconds} s × ${kes(leg.rate_per_minute_minor)}/min ÷ 60 = ${kes(leg.cost_minor)}`,
    );
    const expected = Math.round((leg.billed_seconds * leg.rate_per_minute_minor) / 60);
    if (leg.cost_minor !== expected)
      throw new Error(`${leg.id} cost ${leg.cost_minor} cents, not ${expected}.`);
  }
  if (call.cost_minor !== call.legs.reduce((sum, leg) => sum + leg.cost_minor, 0))
    throw new Error("The call does not cost what its legs do.");
}
