import { SautikitError } from "../errors.ts";
import type { Command } from "./codec.ts";
import { loginEvent, registrationEvents } from "./devices.ts";
import type { MediaFork } from "./switch.ts";

/** Every api of the switch that Sautikit calls. The switch's allow-list of interfaces is made from this. */
export const switchApis = [
  "conference",
  "global_getvar",
  "originate",
  "reloadacl",
  "reloadxml",
  "sched_api",
  "sched_del",
  "show",
  "sofia",
  "uuid_answer",
  "uuid_break",
  "uuid_buglist",
  "uuid_dump",
  "uuid_kill",
  "uuid_pre_answer",
  "uuid_record",
  "uuid_ring_ready",
  "uuid_send_dtmf",
  "uuid_setvar",
  "uuid_transfer",
  "version",
] as const;
export type SwitchApi = (typeof switchApis)[number];

/** Every application that Sautikit has the switch run on a channel. */
export const switchApplications = [
  "bridge",
  "conference",
  "intercept",
  "multiset",
  "park",
  "playback",
  "record_session",
  "sched_hangup",
] as const;
export type SwitchApplication = (typeof switchApplications)[number];

/** Every kind of event subscribed to. Never ALL: one bridged pair has 70 events, of which these are about a dozen. */
export const switchEvents = [
  "BACKGROUND_JOB",
  "CHANNEL_CREATE",
  "CHANNEL_PROGRESS",
  "CHANNEL_PROGRESS_MEDIA",
  "CHANNEL_ANSWER",
  "CHANNEL_PARK",
  "CHANNEL_BRIDGE",
  "CHANNEL_UNBRIDGE",
  "CHANNEL_HANGUP_COMPLETE",
  // PLAYBACK_STOP does not come for a file that is missing; this does.
  "CHANNEL_EXECUTE_COMPLETE",
  "RECORD_START",
  "RECORD_STOP",
  "DTMF",
] as const;

/** Events of modules are all CUSTOM, and told apart by these. */
export const moduleEvents = [
  "conference::maintenance",
  loginEvent,
  ...Object.keys(registrationEvents),
] as const;

/** Whatever stands behind CUSTOM is taken for a module's event, so that it comes last. */
export const subscribe: Command = {
  line: `event json ${switchEvents.join(" ")} CUSTOM ${moduleEvents.join(" ")}`,
};

/** `args` are words: they are joined by blanks, so only the last may hold one. */
export const api = (name: SwitchApi, ...args: readonly string[]): Command => ({
  line: ["api", name, ...args].join(" "),
});

/** Runs in the background; the result comes as the BACKGROUND_JOB event that carries `job`. */
export const backgroundApi = (job: string, name: SwitchApi, ...args: readonly string[]): Command => ({
  line: ["bgapi", name, ...args].join(" "),
  headers: [["Job-UUID", job]],
});

/** Queues an application behind those that the channel is running; `token` comes back as Application-UUID. */
export const execute = (channel: string, app: SwitchApplication, arg: string, token: string): Command => ({
  line: `sendmsg ${channel}`,
  headers: [
    ["call-command", "execute"],
    ["execute-app-name", app],
    ["execute-app-arg", arg],
    // Without it the second starts inside the first, last in, first out.
    ["event-lock", "true"],
    ["Event-UUID", token],
  ],
});

/** The channel's park sends what is said as UDP and plays what comes back: `switch_ivr_activate_unicast`. */
export const unicast = (channel: string, { its, ours }: MediaFork): Command => ({
  line: `sendmsg ${channel}`,
  headers: [
    ["call-command", "unicast"],
    ["local-ip", its.host],
    ["local-port", String(its.port)],
    ["remote-ip", ours.host],
    ["remote-port", String(ours.port)],
    ["transport", "udp"],
  ],
});

/**
 * Leaves what it is doing for that application, in the channel's own thread. `uuid_transfer` would do it from ours, and
 * close a unicast's socket while the channel writes to it.
 */
export const transferTo = (channel: string, app: SwitchApplication): Command => ({
  line: `sendmsg ${channel}`,
  headers: [
    ["call-command", "xferext"],
    ["application", app],
  ],
});

/** Leaves what it waits in and rings that, without a word to its caller; a dial string has commas, and no `^`. */
export const transferToBridge = (channel: string, dial: string): Command =>
  api("uuid_transfer", channel, `m:^:bridge:${dial}`, "inline");

/** An application as `execute_on_answer` and the like want it. */
export const application = (app: SwitchApplication, arg: string): string => `${app} ${arg}`;

/** The same, run as soon as the channel comes to it and not in the middle of its change of state. */
export const queuedApplication = (app: SwitchApplication, arg: string): string => `${app}::${arg}`;

/** How the switch says in its many ways that it has no such channel; `-ERROR` alone: none that can be answered. */
const noSuchChannel =
  /^(-ERROR\s*$|-ERR (No such channel|Cannot locate session|Invalid uuid|invalid session id))/i;

/**
 * True for +OK, false for no such channel. Throws `switch.refused` for any other refusal: the command was not
 * run, and the message says in the switch's own words why.
 */
export function accepted(command: string, reply: string): boolean {
  if (reply.startsWith("+OK")) return true;
  if (noSuchChannel.test(reply)) return false;
  throw refused(command, reply);
}

export const refused = (command: string, reply: string): SautikitError =>
  new SautikitError("switch.refused", `The media server refused ${command}: ${reply.slice(0, 200)}`);
