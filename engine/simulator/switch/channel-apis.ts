import type { Api } from "./api.ts";
import { answerCall, preAnswerCall, ringCall } from "./channel-life.ts";
import { connect, transferToPark } from "./bridge.ts";
import { causeNamed } from "./causes.ts";
import { channelHeaders } from "./channel-headers.ts";
import { hangUp } from "./hang-up.ts";
import type { Channel } from "./channel.ts";
import { liveChannel, type Core } from "./core.ts";
import { jsonText, plainText } from "./esl-frames.ts";
import { splitOnce } from "./hooks.ts";
import { Recording } from "./recording.ts";
import { readVariables, separate } from "./separate.ts";
import { transferInline } from "./transfer.ts";

const broadcastDelayMs = 100;
const noSuchChannel = "-ERR No such channel!\n";

/** A command whose first word is a channel, with FreeSWITCH's own text for too few words and for no such channel. */
const onChannel =
  (
    usage: string,
    run: (core: Core, channel: Channel, rest: string, argument: string) => string,
    options: { absent?: string; words?: number } = {},
  ): Api =>
  (core, argument) => {
    const words = argument.split(" ").filter((word) => word !== "");
    if (words.length < (options.words ?? 1)) return `-USAGE: ${usage}\n`;
    const [uuid, rest] = splitOnce(argument, / /);
    const channel = liveChannel(core, uuid);
    return channel === null ? (options.absent ?? noSuchChannel) : run(core, channel, rest.trim(), argument);
  };

export const channelApis: Readonly<Record<string, Api>> = {
  uuid_kill: onChannel("<uuid> [cause]", (core, channel, cause) => {
    hangUp(core, channel, causeNamed(cause));
    return "+OK\n";
  }),

  uuid_setvar: onChannel(
    "<uuid> <var> [value]",
    (_core, channel, rest) => {
      channel.setVariable(...splitOnce(rest, / /));
      return "+OK\n";
    },
    { words: 2 },
  ),

  uuid_getvar: onChannel("<uuid> <var>", (_core, channel, name) => channel.variables.get(name) ?? "_undef_", {
    words: 2,
  }),

  uuid_dump: onChannel("<uuid> [format]", (core, channel, format) => {
    const event = core.events.make("CHANNEL_DATA", channelHeaders(channel, { variables: true }));
    return format === "json" ? jsonText(event) : plainText(event);
  }),

  uuid_exists: (core, uuid) => String(liveChannel(core, uuid) !== null),

  uuid_break: onChannel("<uuid> [all]", (_core, channel, flags) => {
    channel.applications.break(flags.includes("all"));
    return "+OK\n";
  }),

  uuid_buglist: onChannel("<uuid>", (_core, channel) => bugList(channel), { absent: "" }),

  uuid_broadcast: onChannel(
    "<uuid> <path> [aleg|bleg|holdb|both]",
    (core, channel, rest) => {
      const path = rest.replace(/ (aleg|bleg|holdb|both)$/, "");
      // The real one gives the channel this long to leave what it is in; a uuid_break until then stops nothing.
      core.clock.after(broadcastDelayMs, () => channel.applications.queue("playback", path));
      return "+OK Message sent\n";
    },
    { absent: "-ERR invalid uuid\n", words: 2 },
  ),

  uuid_record: onChannel(
    "<uuid> [start|stop|mask|unmask] <path> [<limit>] [<recording_vars>]",
    (core, channel, rest) => record(core, channel, rest),
    { absent: "-ERR Cannot locate session!\n", words: 3 },
  ),

  uuid_bridge: (core, argument) => {
    const [first, second] = argument.split(" ");
    if (first === undefined || second === undefined || second === "") return "-USAGE: <uuid> <other_uuid>\n";
    const owner = liveChannel(core, first);
    const other = liveChannel(core, second);
    if (owner === null || other === null || owner === other) return "-ERR Invalid uuid\n";
    connect(core, owner, other);
    return `+OK ${other.uuid}\n`;
  },

  uuid_transfer: onChannel(
    "<uuid> [-bleg|-both] <dest-exten> [<dialplan>] [<context>]",
    (core, channel, rest) => {
      const words = separate(rest, " ");
      const both = words[0] === "-both";
      const [destination = "", dialplan] = both ? words.slice(1) : words;
      if (dialplan !== "inline") return "-ERR the simulator knows no other dialplan than inline\n";
      if (/^park:?$/.test(destination)) transferToPark(core, channel, { both });
      else transferInline(core, channel, destination);
      return "+OK\n";
    },
    { words: 2 },
  ),

  uuid_answer: (core, uuid) => {
    const channel = liveChannel(core, uuid);
    return channel !== null && answerCall(core, channel) ? "+OK\n" : "-ERROR\n";
  },

  uuid_pre_answer: (core, uuid) => {
    const channel = liveChannel(core, uuid);
    if (channel === null) return "-ERROR\n";
    preAnswerCall(core, channel);
    return "+OK\n";
  },

  uuid_ring_ready: onChannel(
    "<uuid> [queued]",
    (core, channel) => {
      ringCall(core, channel);
      return "+OK\n";
    },
    { absent: "-ERROR\n" },
  ),

  uuid_send_dtmf: onChannel(
    "<uuid> <dtmf_data>",
    (_core, channel, digits) => {
      channel.media.sendDigits(digits.replace(/@\d+$/, ""));
      return `+OK ${channel.uuid} sent DTMF ${digits}.\n`;
    },
    { absent: "-ERR Cannot locate session!\n", words: 2 },
  ),
};

/** Recordings are all the media bugs that there are here. */
const bugList = ({ recordings }: Channel): string =>
  [
    "<media-bugs>\n",
    ...[...recordings.keys()].map(
      (path) =>
        ` <media-bug>\n  <function>session_record</function>\n  <target>${path}</target>\n` +
        "  <thread-locked>0</thread-locked>\n </media-bug>\n",
    ),
    "</media-bugs>\n",
  ].join("");

function record(core: Core, channel: Channel, rest: string): string {
  const [action = "", path = "", limit = "0", brackets = ""] = rest.split(" ");
  const running = channel.recordings.get(path);
  switch (action) {
    case "start":
      return Recording.start(core, channel, path, {
        limitS: Number.parseInt(limit, 10) || 0,
        own: readVariables(brackets, "{}")?.variables ?? new Map(),
      }) === null
        ? "-ERR Cannot record session!\n"
        : "+OK Success\n";
    case "stop":
      if (running === undefined) return "-ERR Cannot stop record session!\n";
      running.stop();
      return "+OK Success\n";
    case "mask":
    case "unmask":
      if (running === undefined) return `-ERR Cannot ${action} recording session!\n`;
      running.mask(action === "mask");
      return "+OK Success\n";
    default:
      return "-USAGE: <uuid> [start|stop|mask|unmask] <path> [<limit>] [<recording_vars>]\n";
  }
}
