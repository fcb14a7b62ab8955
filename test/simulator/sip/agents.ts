import { systemClock } from "../../../engine/clock.ts";
import { createSipAgent, type SipAgentOptions } from "../../../engine/simulator/sip/agent.ts";
import type {
  IncomingSipCall,
  SipAgent,
  SipCall,
  SipCallEvents,
} from "../../../engine/simulator/sip/call.ts";
import { levelDbfs } from "../../../engine/simulator/media/goertzel.ts";
import type { MediaSession } from "../../../engine/simulator/media/session.ts";

export const host = "127.0.0.1";
/** No event in these tests takes this long; it turns a wait that would never end into a failure that says for what. */
const patienceMs = 5000;

const open: SipAgent[] = [];

export async function agent(options: Partial<SipAgentOptions> = {}): Promise<SipAgent> {
  const created = await createSipAgent({ host, port: 0, clock: systemClock, ...options });
  open.push(created);
  return created;
}

/** For afterEach: no test leaves a call or a socket behind. */
export async function closeAgents(): Promise<void> {
  await Promise.all(open.splice(0).map((each) => each.close()));
}

export function dial(from: SipAgent, to: { port: number }, user = "otieno"): SipCall {
  return from.invite({ user, host, port: to.port, fromUser: "wanjiru" });
}

export const within = <T>(what: string, promise: Promise<T>, ms = patienceMs): Promise<T> => {
  const { promise: late, reject } = Promise.withResolvers<T>();
  const timer = setTimeout(() => reject(new Error(`${what} did not come within ${ms} ms`)), ms);
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
};

export const happens = <K extends keyof SipCallEvents>(
  call: SipCall,
  event: K,
  ms = patienceMs,
): Promise<SipCallEvents[K]> =>
  within(
    `"${event}" of the call`,
    new Promise((resolve) => call.on(event, (...args: SipCallEvents[K]) => resolve(args))),
    ms,
  );

export const nextInvite = (callee: SipAgent): Promise<IncomingSipCall> =>
  within("an INVITE", new Promise((resolve) => callee.onInvite(resolve)));

/** Wanjiru's call to Otieno, answered and acknowledged on both sides. */
export async function answeredCall(
  caller: SipAgent,
  callee: SipAgent,
): Promise<{ wanjiru: SipCall; otieno: IncomingSipCall }> {
  const arriving = nextInvite(callee);
  const wanjiru = dial(caller, callee);
  const answered = happens(wanjiru, "answered");
  const otieno = await arriving;
  const acknowledged = happens(otieno, "answered");
  otieno.answer();
  await Promise.all([answered, acknowledged]);
  return { wanjiru, otieno };
}

export function mediaOf(call: SipCall): MediaSession {
  if (!call.media) throw new Error("the call has no media");
  return call.media;
}

/** The next `frames` frames heard, as one stretch of samples. */
export function hear(call: SipCall, frames = 25): Promise<Int16Array> {
  const heard = new Int16Array(frames * 160);
  let count = 0;
  return within(
    `${frames} frames of sound`,
    new Promise((resolve) =>
      mediaOf(call).onFrame((pcm) => {
        if (count < frames) heard.set(pcm, count * 160);
        count += 1;
        if (count === frames) resolve(heard);
      }),
    ),
  );
}

/** Whether that tone, sent at -12 dBFS, is in what was heard. */
export const sounds = (heard: Int16Array, hz: number): boolean => Math.abs(levelDbfs(heard, hz) + 12) < 1;
