import { frameSamples } from "../media/g711.ts";
import type { Slot } from "../media/pacer.ts";
import type { RunningApplication } from "./application.ts";
import { publishChannel } from "./channel-events.ts";
import type { Channel } from "./channel.ts";
import type { Core } from "./core.ts";
import { openSound } from "./sound.ts";

/** The application `playback`: PLAYBACK_START, frames at the leg's pace, PLAYBACK_STOP, then `done`. */
export function playback(
  core: Core,
  channel: Channel,
  argument: string,
  done: (response: string) => void,
): RunningApplication | null {
  const sound = openSound(argument);
  // A missing file gives no PLAYBACK event at all.
  if (sound === null) {
    done("FILE NOT FOUND");
    return null;
  }
  const headers: [string, string][] = [
    ...(sound.type === null ? [] : [["Playback-File-Type", sound.type] satisfies [string, string]]),
    ["Playback-File-Path", argument],
    ...sound.parameters,
  ];
  publishChannel(core, "PLAYBACK_START", channel, headers);
  let playedSamples = 0;
  let ended = false;
  const end = (status: "done" | "break", response: string) => {
    if (ended) return;
    ended = true;
    channel.media.play(null);
    noteLength(channel, playedSamples);
    publishChannel(core, "PLAYBACK_STOP", channel, [...headers, ["Playback-Status", status]]);
    done(response);
  };
  const startedMs = core.clock.monotonicMs();
  const player = ({ dueMs }: Slot) => {
    // After a stall come the slots that were missed, also those from before this began.
    if (dueMs <= startedMs) return null;
    const frame = sound.source();
    if (frame === null) end("done", "FILE PLAYED");
    else playedSamples += frameSamples;
    return frame;
  };
  channel.media.play(player);
  return {
    stop: (why) =>
      end(why === "break" ? "break" : "done", why === "break" ? "FILE PLAYED" : "PLAYBACK ERROR"),
    digit: (digit) => {
      if (!terminates(channel, digit)) return;
      channel.variables.set("playback_terminator_used", digit);
      end("done", "FILE PLAYED");
    },
    pause: (paused) => {
      if (!ended) channel.media.play(paused ? null : player);
    },
  };
}

/** Without `playback_terminators` only `*` stops a playback. */
function terminates(channel: Channel, digit: string): boolean {
  const terminators = channel.variables.get("playback_terminators") ?? "*";
  return terminators === "any" || (terminators !== "none" && terminators.includes(digit));
}

function noteLength(channel: Channel, samples: number): void {
  channel.variables.set("playback_last_offset_pos", String(samples));
  channel.variables.set("playback_seconds", String(Math.floor(samples / 8000)));
  channel.variables.set("playback_ms", String(Math.floor(samples / 8)));
  channel.variables.set("playback_samples", String(samples));
}
