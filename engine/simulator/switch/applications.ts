import { intercept } from "./intercept.ts";
import type { RunningApplication } from "./application.ts";
import { dialAndJoin } from "./dial-and-join.ts";
import { causeNamed } from "./causes.ts";
import { conference } from "./conference.ts";
import { answerCall } from "./channel-life.ts";
import { hangUp } from "./hang-up.ts";
import type { Channel } from "./channel.ts";
import type { Core } from "./core.ts";
import { splitOnce } from "./hooks.ts";
import { playback } from "./playback.ts";
import { Recording } from "./recording.ts";

/** Starts an application; what is over at once calls `done` before it returns, with no response to tell. */
export type Application = (
  core: Core,
  channel: Channel,
  argument: string,
  done: (response: string | null) => void,
) => RunningApplication | null;

const atOnce =
  (run: (core: Core, channel: Channel, argument: string) => void): Application =>
  (core, channel, argument, done) => {
    run(core, channel, argument);
    done(null);
    return null;
  };

/** The dialplan applications of the simulated switch. `park` is not here: a channel parks, it does not run. */
export const applications: Readonly<Record<string, Application>> = {
  playback,
  conference,
  bridge: dialAndJoin,
  answer: atOnce((core, channel) => answerCall(core, channel)),
  hangup: atOnce((core, channel, cause) => hangUp(core, channel, causeNamed(cause))),
  intercept: atOnce((core, channel, uuid) => intercept(core, channel, uuid)),
  record_session: atOnce((core, channel, argument) => {
    Recording.start(core, channel, splitOnce(argument, / \+/)[0]);
  }),
  sched_hangup: atOnce((core, channel, argument) => {
    const [when, cause] = splitOnce(argument, / /);
    scheduleHangUp(core, channel, when, causeNamed(cause));
  }),
  multiset: atOnce((_core, channel, argument) => {
    for (const pair of argument.split(" ")) channel.setVariable(...splitOnce(pair, /=/));
  }),
  set: atOnce((_core, channel, argument) => channel.setVariable(...splitOnce(argument, /=/))),
};

export function scheduleHangUp(core: Core, channel: Channel, when: string, cause: string): void {
  core.scheduler.add(when, channel.uuid, "switch_ivr_schedule_hangup", () => hangUp(core, channel, cause));
}
