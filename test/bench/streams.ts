import { createSocket } from "node:dgram";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pino } from "pino";
import { systemClock } from "../../engine/clock.ts";
import { systemIds } from "../../engine/ids.ts";
import { playoutSecondsMax } from "../../engine/streams/playout.ts";
import { FreeSwitchBox } from "../../engine/switch/freeswitch-box.ts";
import { startBot, toneOf, type BotCall } from "../peers/bot.ts";
import { startCarrierProcess } from "../peers/carrier-process.ts";
import { freePort } from "../peers/free-ports.ts";
import { startSwitchUnderTest, type SwitchKind, type SwitchUnderTest } from "../peers/switch-under-test.ts";
import { eventually } from "../peers/waiting.ts";
import { Product } from "./calls/product.ts";
import { cpuSeconds } from "./cpu.ts";
import { Inspector } from "./inspector.ts";
import { median, type Row } from "./table.ts";

/** Sends back what it hears. */
const echo = "+254700000005";
const streams = 20;
const floods = 10;
const settleMs = 2_000;
const burstMs = 60;
const burstEveryMs = 700;
/** A tone's samples are mostly above, what codecs make of silence below. */
const loud = 1_000;
const bytesPerFlood = playoutSecondsMax * 8000 * 2;

/**
 * What a bot's audio costs: from the bot to the party and back, against the same through the switch alone; the product's CPU
 * against the switch's with twenty bots that echo; and what is held for bots that send as much as they may at once.
 */
export async function streamBench(kind: SwitchKind, seconds: number): Promise<Row[]> {
  const carrier = await startCarrierProcess();
  const box = await startSwitchUnderTest({ carrier }, kind);
  try {
    const inspectorPort = await freePort();
    const product = await Product.start(box, { NODE_OPTIONS: `--inspect=127.0.0.1:${inspectorPort}` });
    const ours = await throughBot(product, seconds);
    const cpu = await cpuOfEchoes(product, box, seconds);
    const bytes = await heldByFloods(product, inspectorPort);
    await product.stop();
    const bare = await throughFork(box, seconds);
    return rowsOf(kind, { ours, bare, cpu, bytes });
  } finally {
    await box.stop();
    await carrier.stop();
  }
}

const streamTo = (url: string, more: object = {}) => ({
  actions: [{ stream: { url, connect: true, ...more } }],
  max_duration_seconds: 3600,
});

/** ms from a burst to its echo, each. */
async function throughBot(product: Product, seconds: number): Promise<number[]> {
  const bot = await startBot();
  await product.place(echo, streamTo(bot.url));
  const call = await bot.call();
  await call.until("audio", () => call.of("media").length > 50);
  const burst = toneOf(1000, burstMs);
  const waits = await burstsOf(seconds, () => {
    const heard = Promise.withResolvers<number>();
    const from = call.messages.length;
    const look = () => {
      const later = call.messages.slice(from).find(({ media }) => media && isLoud(call, media.chunk));
      if (later) heard.resolve(later.atMs);
    };
    call.socket.on("message", look);
    call.speak(burst);
    return heard.promise.finally(() => call.socket.off("message", look));
  });
  call.socket.close();
  bot.stop();
  return waits;
}

const isLoud = (call: BotCall, chunk: string): boolean =>
  call.frame(Number(chunk) - 1).some((sample) => sample > loud);

/** The same, by the switch's own way: no WebSocket, no controller. */
async function throughFork(box: SwitchUnderTest, seconds: number): Promise<number[]> {
  const ids = systemIds(systemClock);
  const bare = new FreeSwitchBox({
    ...{ box: "bare", ...box.esl, recordingsFolder: join(box.spoolDir, "recordings") },
    ...{ clock: systemClock, ids, log: pino({ level: "silent" }) },
  });
  bare.start();
  await eventually("the bare client's connection", () => bare.connected || undefined);
  const leg = ids.next("leg");
  await bare.originate({
    then: { kind: "park" },
    ignoreEarlyMedia: true,
    branches: [
      {
        ...{ leg, call: ids.next("call"), callerId: "+254200000001" },
        way: { kind: "trunk", gateway: "carrier", to: echo },
        ...{ ringTimeoutSeconds: 60, maxSeconds: 3600, cutGroup: `cut-${leg}-0` },
      },
    ],
  });
  const socket = createSocket("udp4").bind(0, "127.0.0.1");
  await once(socket, "listening");
  const its = { host: "127.0.0.1", port: 15_990 };
  const burst = toneOf(1000, burstMs);
  let left = 0;
  let onFrame: (pcm: Int16Array) => void = () => undefined;
  socket.on("message", (bytes) => {
    const at = burst.length - left;
    const said = left > 0 ? burst.slice(at, at + 160) : new Int16Array(160);
    left = Math.max(0, left - 160);
    socket.send(Buffer.from(said.buffer), its.port, its.host);
    onFrame(Int16Array.from({ length: bytes.length / 2 }, (_, index) => bytes.readInt16LE(index * 2)));
  });
  await bare.forkMedia(leg, { its, ours: { host: "127.0.0.1", port: socket.address().port } });
  await sleep(1000);
  const waits = await burstsOf(seconds, () => {
    left = burst.length;
    return new Promise((resolve) => {
      onFrame = (pcm) => {
        if (pcm.some((sample) => sample > loud)) resolve(performance.now());
      };
    });
  });
  await bare.hangUp(leg, "NORMAL_CLEARING");
  socket.close();
  await bare.stop();
  return waits;
}

/** `send` sends a burst and resolves with the moment at which it came back. */
async function burstsOf(seconds: number, send: () => Promise<number>): Promise<number[]> {
  const waits: number[] = [];
  for (let n = 0; n < Math.max(3, (seconds * 1000) / burstEveryMs); n++) {
    const sentAtMs = performance.now();
    waits.push((await send()) - sentAtMs);
    // Not always at the same moment between two frames.
    await sleep(burstEveryMs + (n % 20));
  }
  return waits;
}

/** Percent of a core: the product's, and the switch's. */
async function cpuOfEchoes(product: Product, box: SwitchUnderTest, seconds: number) {
  const bot = await startBot((call) => {
    call.socket.removeAllListeners("message");
    call.socket.on("message", (text: Buffer) => {
      const { event, media } = JSON.parse(text.toString("utf8")) as {
        event: string;
        media?: { payload: string };
      };
      if (media) call.say({ event, media: { payload: media.payload } });
    });
  });
  for (let n = 0; n < streams; n++) await product.place(echo, streamTo(bot.url));
  await bot.call(streams);
  await sleep(settleMs);
  const cpu = () => [cpuSeconds(product.pid), cpuSeconds(box.child.pid)] as const;
  const before = cpu();
  await sleep(seconds * 1000);
  const after = cpu();
  for (const { socket } of bot.calls) socket.close();
  bot.stop();
  const percent = (index: 0 | 1) => ((after[index] - before[index]) / seconds) * 100;
  return { ours: percent(0), switch: percent(1) };
}

/** Bytes that are held more than before, for each bot that said all it may at once. */
async function heldByFloods(product: Product, inspectorPort: number): Promise<number> {
  const inspector = await Inspector.open(inspectorPort);
  const bot = await startBot();
  const bytes = async () => {
    await sleep(settleMs);
    const { heap, external } = await inspector.held();
    return heap + external;
  };
  for (let n = 0; n < floods; n++) await product.place(echo, streamTo(bot.url));
  await bot.call(floods);
  const before = await bytes();
  // A second less than may wait, so that nobody is cut off while it is measured; part of it is played meanwhile.
  for (const call of bot.calls) call.speak(new Int16Array((playoutSecondsMax - 1) * 8000), 40_000);
  const held = (await bytes()) - before;
  for (const { socket } of bot.calls) socket.close();
  bot.stop();
  inspector.close();
  return held / floods;
}

function rowsOf(
  kind: SwitchKind,
  run: { ours: number[]; bare: number[]; cpu: { ours: number; switch: number }; bytes: number },
): Row[] {
  const { ours, bare, cpu, bytes } = run;
  const ms = (waits: readonly number[]) => `${median(waits).toFixed(0)} ms`;
  const ofCore = (percent: number) => `${(percent / streams).toFixed(2)} %`;
  const mib = (count: number) => `${(count / 1024 ** 2).toFixed(1)} MiB`;
  return [
    {
      what: `from a bot to the party and back, p50 (${kind})`,
      ours: ms(ours),
      against: ms(bare),
      ratio: median(ours) / median(bare),
      aim: { atMost: 1.5 },
      note: `against the same by UDP with the switch; the longest ${Math.max(...ours).toFixed(0)} and ${Math.max(...bare).toFixed(0)} ms`,
    },
    {
      what: `our CPU a stream, of a core, against the switch's (${streams} bots that echo, ${kind})`,
      ours: ofCore(cpu.ours),
      against: ofCore(cpu.switch),
      ratio: cpu.ours / cpu.switch,
      aim: null,
    },
    {
      what: `held for a bot that said all it may at once, against ${playoutSecondsMax} s of audio (${kind})`,
      ours: mib(bytes),
      against: mib(bytesPerFlood),
      ratio: bytes / bytesPerFlood,
      aim: { atMost: 1.5 },
      note: `of ${floods} at once`,
    },
  ];
}
