import { ApplicationRunner } from "./application-runner.ts";
import { startPark } from "./parking.ts";
import { create, follow } from "./channel-life.ts";
import { hangUp } from "./hang-up.ts";
import { Channel } from "./channel.ts";
import { newUuid, tickMs, type Core, type Dialler } from "./core.ts";
import { originateTimeoutDefault, readDial, route, type Dial, type Route } from "./dial.ts";
import { tickUs } from "./event-bus.ts";
import { runApiHooks } from "./hooks.ts";
import { clearIfAlone } from "./intercept.ts";
import { MediaPort } from "./media-port.ts";

const usage =
  "-USAGE: <call url> <exten>|&<application_name>(<app_args>) [<dialplan>] [<context>] [<cid_name>] [<cid_num>] [<timeout_sec>]\n";

/**
 * The API `originate`: dials every branch at once; the first that answers (or has early media) wins. Who waits for them
 * looks every 20 ms: of several that answer in between, each is answered and told so, and the one written first wins.
 */
export function originate(core: Core, argument: string): Promise<string> {
  const dial = readDial(argument);
  if (dial === null) return Promise.resolve(usage);
  if (dial === "broken") return Promise.resolve("-ERR DESTINATION_OUT_OF_ORDER\n");
  return new Promise((resolve) =>
    race(core, dial, {
      won: (winner) => {
        resolve(`+OK ${winner.uuid}\n`);
        // After the reply to the job, and before whatever the client sends next.
        setImmediate(() => begin(core, winner, dial));
      },
      failed: (cause) => resolve(`-ERR ${cause}\n`),
    }),
  );
}

/** Dials every branch. The answer gives them up. */
export function race(core: Core, dial: Dial, waiting: Dialler): { cancel(): void } {
  const earlyMediaWins = !/^(true|yes|1|ring_ready)$/i.test(dial.variables.get("ignore_early_media") ?? "");
  const started = dial.branches.map((branch) => dialBranch(core, dial, branch));
  const channels = started.filter((branch) => branch instanceof Channel);
  let over = false;
  const end = () => {
    over = true;
    for (const channel of channels) channel.watch = null;
  };
  const allFailed = () => {
    if (over || channels.some((channel) => channel.cause === null)) return;
    const first = started[0];
    end();
    waiting.failed((first instanceof Channel ? first.cause : first) ?? "DESTINATION_OUT_OF_ORDER");
  };
  const hasWon = (channel: Channel) =>
    channel.cause === null &&
    (channel.answerState === "answered" || (earlyMediaWins && channel.answerState === "early"));
  let looking = false;
  const lookSoon = () => {
    if (looking) return;
    looking = true;
    core.clock.after(tickMs, () => {
      looking = false;
      const winner = channels.find(hasWon);
      if (winner !== undefined) win(winner);
    });
  };
  const win = (winner: Channel) => {
    if (over) return;
    over = true;
    for (const channel of channels) if (channel !== winner) hangUp(core, channel, "LOSE_RACE");
    end();
    waiting.won(winner);
  };
  for (const channel of channels) {
    channel.watch = (news) => {
      if (news === "ringing" || (news === "media" && !earlyMediaWins)) waiting.rings?.();
      if (news === "hungUp") allFailed();
      else if (!hasWon(channel)) return;
      else if (channels.length > 1) lookSoon();
      else win(channel);
    };
  }
  allFailed();
  armTimeouts(core, dial, channels, () => over);
  return {
    cancel: () => {
      if (over) return;
      end();
      for (const channel of channels) hangUp(core, channel, "ORIGINATOR_CANCEL");
    },
  };
}

/** What the winner does from now on. */
function begin(core: Core, winner: Channel, dial: Dial): void {
  if (winner.cause !== null) return;
  winner.state = "CS_EXECUTE";
  if (dial.application === null) return hangUp(core, winner, "NO_ROUTE_DESTINATION");
  const { name, argument } = dial.application;
  if (name === "park") return startPark(core, winner);
  if (name !== "intercept")
    return winner.applications.runNow(name, argument, () => hangUp(core, winner, "NORMAL_CLEARING"));
  winner.applications.runNow(name, argument);
  clearIfAlone(core, winner);
}

/** A channel that is being dialled, or the cause for which there is none. */
function dialBranch(core: Core, dial: Dial, branch: Dial["branches"][number]): Channel | string {
  // The variables of the whole originate win over the branch's own.
  const variables = new Map([...branch.variables, ...dial.variables]);
  const to = route(core, branch.destination);
  if ("cause" in to) return to.cause;
  const uuid = variables.get("origination_uuid") ?? newUuid(core.ids);
  if (core.channels.has(uuid)) return "DESTINATION_OUT_OF_ORDER";
  const callerNumber = variables.get("origination_caller_id_number") ?? "0000000000";
  const callerName = variables.get("origination_caller_id_name") ?? "";
  const channel = new Channel({
    uuid,
    direction: "outbound",
    name: to.name,
    destination: to.user,
    callerName,
    callerNumber,
    networkAddress: "",
    context: "default",
    createdUs: tickUs(core.clock),
    media: new MediaPort(),
    applications: (owner) => new ApplicationRunner(core, owner),
  });
  channel.variables.set("direction", "outbound");
  channel.variables.set("is_outbound", "true");
  channel.variables.set("uuid", uuid);
  channel.variables.set("call_uuid", uuid);
  channel.variables.set("channel_name", to.name);
  channel.variables.set("sip_profile_name", profileOf(to));
  if (to.gateway !== null) channel.variables.set("sip_gateway_name", to.gateway);
  channel.variables.set("sip_destination_url", `sip:${to.user}@${to.host}:${to.port}`);
  for (const [name, value] of variables) channel.setVariable(name, value);
  create(core, channel);
  const sip = profileOf(to) === "devices" ? (core.devices?.sip ?? core.sip) : core.sip;
  const call = sip.invite({
    user: to.user,
    host: to.host,
    port: to.port,
    ...(to.uri === undefined ? {} : { uri: to.uri }),
    ...(to.login && { login: to.login }),
    ...(to.laws && { laws: to.laws }),
    fromUser: callerNumber,
    ...(callerName === "" ? {} : { fromDisplay: callerName }),
    headers: sipHeaders(variables),
  });
  channel.state = "CS_CONSUME_MEDIA";
  follow(core, channel, call);
  runApiHooks(core, channel, "api_on_originate");
  return channel;
}

function profileOf(to: Route): string {
  if (to.gateway !== null) return "gateway";
  return to.uri === undefined ? "external" : "devices";
}

/** `sip_h_X-Something` becomes the header X-Something. */
function sipHeaders(variables: ReadonlyMap<string, string>): Record<string, string> {
  const prefix = "sip_h_";
  return Object.fromEntries(
    [...variables]
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, value]) => [name.slice(prefix.length), value]),
  );
}

/** Whole seconds of the clock, so up to a second early: NO_ANSWER for all, ALLOTTED_TIMEOUT for a leg's own. */
function armTimeouts(core: Core, dial: Dial, channels: Channel[], isOver: () => boolean): void {
  const whole = Number.parseInt(dial.variables.get("originate_timeout") ?? "", 10);
  const nowMs = core.clock.nowMs();
  const delayMs = (seconds: number) => (Math.floor(nowMs / 1000) + seconds) * 1000 - nowMs;
  const arm = (channel: Channel, seconds: number, cause: string) =>
    core.clock.after(delayMs(seconds), () => {
      if (!isOver()) hangUp(core, channel, cause);
    });
  for (const channel of channels) {
    const own = Number.parseInt(channel.variables.get("leg_timeout") ?? "", 10);
    if (own > 0) arm(channel, own, "ALLOTTED_TIMEOUT");
    arm(channel, whole > 0 ? whole : (dial.timeoutSeconds ?? originateTimeoutDefault), "NO_ANSWER");
  }
}
