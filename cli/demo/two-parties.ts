import { createHash } from "node:crypto";
import { systemClock } from "../../engine/clock.ts";
import type { Demo } from "../demo-workspace.ts";
import { proveRecording } from "./audio-proof.ts";
import type { Call, CallEvent, Client, Leg, Wallet } from "./client.ts";
import { checkBill, followCall, happened, since } from "./follow.ts";
import { kes, nameOf, otieno, wanjiru } from "./people.ts";
import type { Screen } from "./screen.ts";
import type { ReceivedEvent } from "./webhook-receiver.ts";

export interface Stage {
  client: Client;
  account: Demo;
  screen: Screen;
  /** The customer's own server. */
  endpointUrl: string;
  received: readonly ReceivedEvent[];
}

const talkMs = 8_000;

/** We call Wanjiru, she hears a prompt and is joined to Otieno; throws where anything is not so. */
export async function showTwoParties(stage: Stage): Promise<void> {
  const { client, account, screen, endpointUrl } = stage;
  const before = await client.get<Wallet>("/v1/wallet");
  screen.say("wallet", `balance ${kes(before.balance_minor)}`);
  const placed = await client.post<{ id: string; status: string }>("/v1/calls", {
    from: account.number,
    to: wanjiru.number,
    record: true,
    events_url: `${endpointUrl}/events`,
    actions: [
      { play: { url: `${endpointUrl}/prompt.wav` } },
      { dial: { number: otieno.number, record: true } },
    ],
  });
  screen.say(
    "placed",
    `POST /v1/calls: ${placed.id}, ${account.number} → ${wanjiru.number}, status ${placed.status}`,
  );
  const talked = since(talkMs);
  let hangUpSent = false;
  const call = await followCall(stage, placed.id, async (now) => {
    if (hangUpSent || !talked(happened(now, "leg.bridged"))) return;
    hangUpSent = true;
    await client.post(`/v1/calls/${placed.id}/hangup`);
    screen.say("hang up", `POST /v1/calls/${placed.id}/hangup`);
  });
  await check(stage, call);
}

/** What must hold once the call is over; the first thing that does not is thrown. */
async function check({ client, account, screen, received }: Stage, call: Call): Promise<void> {
  const [first, second] = call.legs;
  if (!first || !second) throw new Error(`The call has ${call.legs.length} legs, not 2.`);
  checkBill(screen, call);
  const wallet = await client.get<Wallet>("/v1/wallet");
  screen.say(
    "wallet",
    `balance ${kes(wallet.balance_minor)} after ${kes(call.cost_minor)} for the call, accrued ${kes(wallet.accrued_minor)}`,
  );
  if (wallet.accrued_minor !== 0) throw new Error("The wallet does not add up.");

  const told = () => received.filter(({ data }) => data["call_id"] === call.id);
  await webhooksOf(told, ["call.recording.ready", "call.recording.ready"]);
  for (const kind of ["call.started", "call.answered", "call.completed"]) {
    if (told().filter((event) => event.kind === kind).length !== 1)
      throw new Error(`${kind} was not told exactly once.`);
  }
  if (!told().every((event) => event.verified)) throw new Error("A webhook's signature is wrong.");

  const bridged = call.events.find((event) => event.kind === "leg.bridged");
  if (!bridged) throw new Error("The legs were never bridged.");
  for (const event of told().filter(({ kind }) => kind === "call.recording.ready")) {
    const leg = call.legs.find((candidate) => candidate.id === event.data["leg_id"]);
    if (!leg) throw new Error("A recording of an unknown leg.");
    const bytes = await client.download(
      `${account.base_url}/v1/calls/${call.id}/recording?recording_id=${String(event.data["recording_id"])}`,
    );
    if (createHash("sha256").update(bytes).digest("hex") !== event.data["sha256"])
      throw new Error("A recording's checksum is wrong.");
    const proof = proveRecording(bytes, expectedOf(leg, first, second, bridged));
    screen.say("recorded", `${nameOf(leg)}: downloaded again, checksum right, ${proof.line}`);
    if (!proof.ok) throw new Error(`The recording of ${nameOf(leg)} ${proof.line}.`);
  }
}

function expectedOf(leg: Leg, first: Leg, second: Leg, bridged: CallEvent) {
  const answered = Date.parse(leg.answered_at ?? "");
  const joined = Date.parse(bridged.occurred_at) - answered;
  const parted = Math.min(Date.parse(first.ended_at ?? ""), Date.parse(second.ended_at ?? "")) - answered;
  const [own, other] = leg === first ? [wanjiru, otieno] : [otieno, wanjiru];
  const talk = Date.parse(leg.ended_at ?? "") - answered;
  return { ownHz: own.hz, otherHz: other.hz, talkMs: talk, joinedMs: [joined, parted] as [number, number] };
}

/** Waits until so many of these kinds have come. */
export async function webhooksOf(
  told: () => readonly ReceivedEvent[],
  kinds: readonly string[],
): Promise<void> {
  const deadlineMs = systemClock.monotonicMs() + 15_000;
  const missing = () =>
    kinds.filter(
      (kind) => told().filter((event) => event.kind === kind).length < kinds.filter((k) => k === kind).length,
    );
  while (missing().length > 0) {
    if (systemClock.monotonicMs() > deadlineMs)
      throw new Error(`These webhooks never came: ${missing().join(", ")}.`);
    await systemClock.sleep(100);
  }
}
