import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { systemClock } from "../../engine/clock.ts";
import { compose, roles } from "../compose.ts";
import { readConfig } from "../config.ts";
import { readDemo, type Demo } from "../demo-workspace.ts";
import { proveRecording } from "./audio-proof.ts";
import { Client, type Call, type CallEvent, type Leg, type Wallet } from "./client.ts";
import { demoPrompt } from "./prompt.ts";
import { Screen } from "./screen.ts";
import { startWebhookReceiver, type ReceivedEvent } from "./webhook-receiver.ts";

/** Wanjiru hears the prompt and is joined to Otieno; each of them hums a tone of their own. */
const wanjiru = { number: "+254700000001", hz: 440 };
const otieno = { number: "+254700000002", hz: 880 };
const talkMs = 8_000;
/** The whole demo, whatever goes wrong. */
const patienceMs = 50_000;

/** `sautikit demo`: a real call from end to end on free ports and in a temporary folder; throws where anything is not so. */
export async function demo(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({ args: [...args], options: { keep: { type: "boolean", default: false } } });
  const dataDir = await mkdtemp(join(tmpdir(), "sautikit-demo-"));
  const config = readConfig({
    LOG_LEVEL: "warn",
    // Its own webhook receiver is on loopback, on a real switch too.
    ALLOW_PRIVATE_URLS: "yes",
    S3_PORT: "0",
    ...process.env,
    PORT: "0",
    DATA_DIR: dataDir,
  });
  const screen = new Screen(process.stdout, systemClock);
  const box = config.freeswitch
    ? `the FreeSWITCH at ${config.freeswitch.box}`
    : "a simulated switch and carrier";
  screen.say("start", `starting the API, the controller, object storage, with ${box} …`);
  const app = await compose(config, new Set(roles), { demoWorkspace: true });
  const account = await readDemo(join(dataDir, "demo.json"));
  if (!account) throw new Error("There is no demo workspace.");
  const received: ReceivedEvent[] = [];
  const endpoint = await startWebhookReceiver({
    secret: () => account.voice_signing_secret,
    prompt: demoPrompt(),
    received: (event) => {
      received.push(event);
      screen.say(
        "webhook",
        `${event.kind} #${String(event.data["sequence"])}, signatures ${event.verified ? "verified" : "WRONG"}`,
      );
    },
  });
  const client = new Client(account.base_url, account.api_key);
  try {
    const call = await placeCall(client, account, endpoint.url, screen);
    await check(client, call, received, account, screen);
    if (values.keep) await keep(account, screen);
  } finally {
    await app.stop();
    await endpoint.close();
    await rm(dataDir, { recursive: true, force: true });
  }
}

async function placeCall(client: Client, account: Demo, endpointUrl: string, screen: Screen): Promise<Call> {
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

  let shown = 0;
  let joinedAtMs: number | null = null;
  let hangUpSent = false;
  const deadlineMs = systemClock.monotonicMs() + patienceMs;
  for (;;) {
    const { call } = await client.get<{ call: Call }>(`/v1/calls/${placed.id}`);
    for (const event of call.events.slice(shown)) tell(screen, event, call);
    shown = call.events.length;
    const over = call.events.some((event) => event.kind === "call.completed" || event.kind === "call.failed");
    if (over) return call;
    if (call.status === "answered") {
      const wallet = await client.get<Wallet>("/v1/wallet");
      screen.update(
        "meter",
        `${call.duration_seconds} s, ${kes(wallet.accrued_minor)} accrued, ${kes(wallet.available_minor)} available`,
      );
    }
    if (call.events.some((event) => event.kind === "leg.bridged")) joinedAtMs ??= systemClock.monotonicMs();
    if (joinedAtMs !== null && !hangUpSent && systemClock.monotonicMs() - joinedAtMs > talkMs) {
      hangUpSent = true;
      await client.post(`/v1/calls/${placed.id}/hangup`);
      screen.say("hang up", `POST /v1/calls/${placed.id}/hangup`);
    }
    if (systemClock.monotonicMs() > deadlineMs)
      throw new Error(`The call did not end; it is ${call.status}.`);
    await systemClock.sleep(200);
  }
}

function tell(screen: Screen, event: CallEvent, call: Call): void {
  const legId = event.payload["leg_id"];
  const leg = call.legs.find((candidate) => candidate.id === legId);
  const who = leg ? nameOf(leg) : "";
  switch (event.kind) {
    case "call.started":
      return screen.say("started", "the switch took the call");
    case "leg.ringing":
      return screen.say("ringing", `${who} rings`);
    case "leg.answered":
      return screen.say("answered", `${who} answers`);
    case "play.started":
      return screen.say("playing", String(event.payload["url"]));
    case "play.finished":
      return screen.say("played", "the prompt has ended");
    case "dial.started":
      return screen.say("dialling", `${String(event.payload["to"])}; the caller hears ringback`);
    case "leg.bridged":
      return screen.say("bridged", "they hear each other");
    case "recording.started":
      return screen.say("recording", `${String(event.payload["recording_id"])} of ${who}`);
    case "leg.ended":
      return screen.say("hung up", `${who}: ${String(event.payload["hangup_cause"])}`);
    default:
  }
}

/** What must hold once the call is over; the first thing that does not is thrown. */
async function check(
  client: Client,
  call: Call,
  received: readonly ReceivedEvent[],
  account: Demo,
  screen: Screen,
): Promise<void> {
  const [first, second] = call.legs;
  if (!first || !second) throw new Error(`The call has ${call.legs.length} legs, not 2.`);
  for (const leg of [first, second]) {
    const perSecond = leg.rate_per_minute_minor / 60;
    const expected = Math.round(leg.billed_seconds * perSecond);
    screen.say(
      "billed",
      `${nameOf(leg)}: ${leg.billed_seconds} s × ${kes(leg.rate_per_minute_minor)}/min ÷ 60 = ${kes(leg.cost_minor)}`,
    );
    if (leg.cost_minor !== expected)
      throw new Error(`${leg.id} cost ${leg.cost_minor} cents, not ${expected}.`);
  }
  const wallet = await client.get<Wallet>("/v1/wallet");
  const spent = first.cost_minor + second.cost_minor;
  screen.say(
    "wallet",
    `balance ${kes(wallet.balance_minor)} after ${kes(spent)} for the call, accrued ${kes(wallet.accrued_minor)}`,
  );
  if (wallet.accrued_minor !== 0 || spent !== call.cost_minor) throw new Error("The wallet does not add up.");

  await webhooksOf(received, ["call.recording.ready", "call.recording.ready"]);
  const kinds = received.map((event) => event.kind);
  for (const kind of ["call.started", "call.answered", "call.completed"]) {
    if (kinds.filter((got) => got === kind).length !== 1)
      throw new Error(`${kind} was not told exactly once.`);
  }
  if (!received.every((event) => event.verified)) throw new Error("A webhook's signature is wrong.");

  const bridged = call.events.find((event) => event.kind === "leg.bridged");
  if (!bridged) throw new Error("The legs were never bridged.");
  for (const event of received.filter(({ kind }) => kind === "call.recording.ready")) {
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
  screen.say("done", "everything held");
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
async function webhooksOf(received: readonly ReceivedEvent[], kinds: readonly string[]): Promise<void> {
  const deadlineMs = systemClock.monotonicMs() + 15_000;
  const missing = () =>
    kinds.filter(
      (kind) =>
        received.filter((event) => event.kind === kind).length < kinds.filter((k) => k === kind).length,
    );
  while (missing().length > 0) {
    if (systemClock.monotonicMs() > deadlineMs)
      throw new Error(`These webhooks never came: ${missing().join(", ")}.`);
    await systemClock.sleep(100);
  }
}

async function keep(account: Demo, screen: Screen): Promise<void> {
  const body = JSON.stringify({ from: account.number, to: "+254712345678" });
  screen.say("running", "until Ctrl-C; try:");
  process.stdout.write(
    `\ncurl -X POST ${account.base_url}/v1/calls -H "Authorization: Bearer ${account.api_key}" -H "Content-Type: application/json" -d '${body}'\n\n`,
  );
  const idle = setInterval(() => undefined, 2 ** 30);
  await new Promise<void>((resolve) => {
    process.once("SIGINT", () => resolve());
    process.once("SIGTERM", () => resolve());
  });
  clearInterval(idle);
}

const nameOf = (leg: Leg): string =>
  leg.to === wanjiru.number ? `Wanjiru (${leg.to})` : `Otieno (${leg.to})`;
const kes = (minor: number): string => `KES ${(minor / 100).toFixed(2)}`;
