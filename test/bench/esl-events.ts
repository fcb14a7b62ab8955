import { EventEmitter } from "node:events";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { eventFields, FrameReader } from "../../engine/switch/codec.ts";
import { ChannelNames } from "../../engine/switch/channel-names.ts";
import { decodeEvent } from "../../engine/switch/events.ts";
import { median, type Row } from "./table.ts";

/** One call of two legs, as a FreeSWITCH 1.11.1 told it in JSON: 27 events of 6.7 kB on average. */
const recorded = readFileSync(new URL("../switch/fixtures/two-legs.esl.raw", import.meta.url));
/** As a socket hands it over. */
const chunkBytes = 64 * 1024;
const repeats = 80;
const rounds = 7;

/** Reads the stream to its end, and says how many events it found. */
type Client = (chunks: readonly Buffer[]) => number;

const framing: Client = (chunks) => {
  let events = 0;
  const reader = new FrameReader("switch");
  for (const chunk of chunks) {
    reader.push(chunk, (frame) => {
      if (frame.headers.get("content-type") === "text/event-json") events++;
    });
  }
  return events;
};

/** None of these calls came from outside. */
const names = new ChannelNames();

const ours: Client = (chunks) => {
  let events = 0;
  const reader = new FrameReader("switch");
  for (const chunk of chunks) {
    reader.push(chunk, (frame) => {
      const fields = eventFields(frame);
      if (!fields) return;
      events++;
      decodeEvent("box", fields, names);
    });
  }
  return events;
};

interface ModeslEvent {
  type: string;
  getHeader(name: string): string | null;
}
type ModeslParser = new (socket: EventEmitter) => EventEmitter;
const Parser = createRequire(import.meta.url)("modesl/lib/esl/Parser.js") as ModeslParser;

/** Its parser, and the same facts read from its events. */
const modesl: Client = (chunks) => {
  let events = 0;
  const socket = new EventEmitter();
  new Parser(socket).on("esl::event", (event: ModeslEvent) => {
    if (!event.type) return;
    events++;
    decodeEvent("box", (name) => event.getHeader(name) ?? undefined, names);
  });
  for (const chunk of chunks) socket.emit("data", chunk);
  return events;
};

/** Events per CPU second of the three, round by round, each the median of its rounds. */
export function eslEvents(): Row[] {
  const stream = Buffer.concat(Array<Buffer>(repeats).fill(recorded));
  const chunks: Buffer[] = [];
  for (let at = 0; at < stream.length; at += chunkBytes) chunks.push(stream.subarray(at, at + chunkBytes));
  const clients = { framing, ours, modesl };
  const perSecond: Record<keyof typeof clients, number[]> = { framing: [], ours: [], modesl: [] };
  for (let round = -1; round < rounds; round++) {
    for (const name of ["framing", "ours", "modesl"] as const) {
      const before = process.cpuUsage();
      const events = clients[name](chunks);
      const { user, system } = process.cpuUsage(before);
      // The first round only warms up.
      if (round >= 0) perSecond[name].push(events / ((user + system) / 1e6));
    }
  }
  const k = (name: keyof typeof clients) => `${Math.round(median(perSecond[name]) / 1000)} k/s`;
  const ratio = (other: keyof typeof clients) => median(perSecond.ours) / median(perSecond[other]);
  return [
    {
      what: "ESL events per CPU second, against modesl 1.2.1",
      ...{ ours: k("ours"), against: k("modesl"), ratio: ratio("modesl"), aim: { atLeast: 2 } },
    },
    {
      what: "ESL events per CPU second, against framing alone",
      ...{ ours: k("ours"), against: k("framing"), ratio: ratio("framing"), aim: null },
    },
  ];
}
