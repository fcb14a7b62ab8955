import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../../engine/clock.ts";
import { toneSource } from "../../../engine/simulator/media/tone.ts";
import { createSipAgent } from "../../../engine/simulator/sip/agent.ts";
import type { IncomingSipCall, SipAgent } from "../../../engine/simulator/sip/call.ts";
import {
  startSimulatedSwitch,
  type SimulatedSwitch,
} from "../../../engine/simulator/switch/simulated-switch.ts";
import { EslClient } from "./esl-client.ts";

export const password = "a-password-of-its-own";

/** A simulated switch, the far end of its gateway, and one logged-in client that hears all events. */
export interface Box {
  simulated: SimulatedSwitch;
  far: SipAgent;
  /** The calls that reached the far end, by the number dialled. */
  calls: Map<string, IncomingSipCall>;
  client: EslClient;
  /** A folder of this test's own; records go to `cdr` in it. */
  folder: string;
  endRecord(uuid: string): { text: string; variables: Record<string, string>; times: Record<string, string> };
  close(): Promise<void>;
}

/** What the far end does with each number. */
const behaviours: Record<string, (call: IncomingSipCall) => void> = {
  answer440: (call) => answer(call, 440),
  answer900: (call) => answer(call, 900),
  silent: (call) => call.answer(),
  rings: (call) => call.ring(),
  ringsThenAnswers900: (call) => {
    call.ring();
    systemClock.after(300, () => answer(call, 900));
  },
  early600: (call) => {
    call.on("early", () => undefined);
    call.earlyMedia();
    call.media?.setSource(toneSource({ hz: 600 }));
  },
  earlyThenAnswers: (call) => {
    call.earlyMedia();
    systemClock.after(300, () => answer(call, 900));
  },
  busy: (call) => call.reject(486),
  unknown: (call) => call.reject(404),
  declines: (call) => call.reject(603),
};

function answer(call: IncomingSipCall, hz: number): void {
  call.on("answered", () => call.media?.setSource(toneSource({ hz })));
  call.answer();
}

export async function openBox(): Promise<Box> {
  const folder = mkdtempSync(join(tmpdir(), "sautikit-switch-"));
  const far = await createSipAgent({ host: "127.0.0.1", port: 0, clock: systemClock });
  const calls = new Map<string, IncomingSipCall>();
  far.onInvite((call) => {
    calls.set(call.toUser, call);
    (behaviours[call.toUser] ?? ((it) => it.reject(404)))(call);
  });
  const simulated = await startSimulatedSwitch({
    eslHost: "127.0.0.1",
    eslPort: 0,
    eslPassword: password,
    sipHost: "127.0.0.1",
    sipPort: 0,
    gateways: { carrier: { host: "127.0.0.1", port: far.port } },
    cdrDir: join(folder, "cdr"),
  });
  const client = await EslClient.login(simulated.eslPort, password);
  return {
    simulated,
    far,
    calls,
    client,
    folder,
    endRecord(uuid) {
      const text = readFileSync(join(folder, "cdr", `${uuid}.cdr.json`), "utf8");
      const record = JSON.parse(text);
      return { text, variables: record.variables, times: record.callflow[0].times };
    },
    async close() {
      client.close();
      await simulated.close();
      await far.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Answered and parked. */
export async function parkedLeg(box: Box, uuid: string, number: string, variables = ""): Promise<string> {
  const reply = await box.client.api(
    `originate {ignore_early_media=true}[origination_uuid=${uuid}${variables}]sofia/gateway/carrier/${number} &park()`,
  );
  await box.client.event("CHANNEL_PARK", uuid);
  return reply;
}

/** Starts an originate as a job and does not wait for it. */
export const dial = (box: Box, line: string) => box.client.command(`bgapi originate ${line}`);
