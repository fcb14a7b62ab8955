import { writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { MediaFile } from "../../engine/switch/switch.ts";
import { wav } from "../media/wav.ts";
import { startSwitchUnderTest, type SwitchKind, type SwitchUnderTest } from "../peers/switch-under-test.ts";
import { eventually } from "../peers/waiting.ts";
import { Product } from "./calls/product.ts";
import { cpuSeconds } from "./cpu.ts";
import { BareIvr } from "./ivr/bare.ts";
import { Callers } from "./ivr/callers.ts";
import { median, type Row } from "./table.ts";

const promptSeconds = 1.5;
/** Placed side by side: more at once would be the switch's rate of new calls, not its callers. */
const placedAtOnce = 8;
const settleMs = 2_000;

interface Measured {
  /** Keys that were followed by a prompt, a second. */
  steps: number;
  p50: number;
  p99: number;
  /** ms of CPU for each step: of the product, where it took part, and of the switch. */
  ours: number;
  switch: number;
}

/**
 * From a key to the next prompt: `getDigits` with a prompt, the voice URL asked at each key, which answers at once with
 * the same again. Against it the same prompt, played by a client that does nothing else at the same event. One after the
 * other on one switch, each with so many callers at once.
 */
export async function ivr(kind: SwitchKind, people: number, seconds: number): Promise<Row[]> {
  const callers = await Callers.open();
  const box = await startSwitchUnderTest({ carrier: callers.address }, kind);
  const url = await voiceUrl();
  try {
    const product = await Product.start(box);
    const ours = await withProduct(product, url.address, box, callers, people, seconds);
    const asked = await product.voiceUrlMs();
    await product.stop();
    const bare = await withBare(box, callers, people, seconds);
    return rowsOf({ kind, people, ours, bare, urlMs: median(asked) });
  } finally {
    await callers.close();
    await box.stop();
    await url.close();
  }
}

async function withProduct(
  product: Product,
  address: string,
  box: SwitchUnderTest,
  callers: Callers,
  people: number,
  seconds: number,
): Promise<Measured> {
  const placing = () =>
    product.place("+254700000001", {
      ...{ voice_callback_url: `${address}/voice`, max_duration_seconds: 3600 },
      actions: documentOf(address).actions,
    });
  await placed(people, placing);
  return await measure(box, callers, people, seconds, product.pid);
}

async function withBare(
  box: SwitchUnderTest,
  callers: Callers,
  people: number,
  seconds: number,
): Promise<Measured> {
  const bare = await BareIvr.open(box, await promptOf(box));
  await placed(people, () => bare.place());
  const measured = await measure(box, callers, people, seconds, null);
  await bare.close();
  return measured;
}

/** The same, as the product hands it to the switch. */
async function promptOf(box: SwitchUnderTest): Promise<MediaFile> {
  const prompt = join(box.spoolDir, "media", "bare.wav");
  await writeFile(prompt, wav({ seconds: promptSeconds }));
  return prompt as MediaFile;
}

async function placed(people: number, place: () => Promise<unknown>): Promise<void> {
  let left = people;
  await Promise.all(
    Array.from({ length: Math.min(placedAtOnce, people) }, async () => {
      while (left-- > 0) await place();
    }),
  );
}

async function measure(
  box: SwitchUnderTest,
  callers: Callers,
  people: number,
  seconds: number,
  pid: number | null,
): Promise<Measured> {
  await eventually(`${people} who listen`, () => (callers.listening >= people ? true : undefined), {
    withinMs: 60_000,
  });
  await sleep(settleMs);
  callers.waits.length = 0;
  const cpu = () => [pid === null ? 0 : cpuSeconds(pid), cpuSeconds(box.child.pid)] as const;
  const before = cpu();
  await sleep(seconds * 1000);
  const after = cpu();
  callers.hangUp();
  await eventually("the end of all calls", () => (callers.live === 0 ? true : undefined), {
    withinMs: 30_000,
  });
  const waits = callers.waits.splice(0).sort((a, b) => a - b);
  const each = (index: 0 | 1) => ((after[index] - before[index]) / waits.length) * 1000;
  const at = (share: number) => waits[Math.min(waits.length - 1, Math.floor(waits.length * share))] ?? NaN;
  return { steps: waits.length / seconds, p50: at(0.5), p99: at(0.99), ours: each(0), switch: each(1) };
}

function documentOf(address: string): { actions: object[] } {
  const nested = [{ play: { url: `${address}/prompt.wav` } }];
  return { actions: [{ getDigits: { numDigits: 1, timeout: 60, nested } }] };
}

/** A customer's server that answers each question at once. */
async function voiceUrl() {
  const prompt = wav({ seconds: promptSeconds });
  const server = createServer((request, response) => {
    if (request.method === "GET") {
      response.setHeader("Content-Type", "audio/wav").setHeader("Cache-Control", "max-age=3600").end(prompt);
      return;
    }
    let text = "";
    request.on("data", (chunk: Buffer) => (text += chunk.toString("latin1")));
    request.on("end", () => {
      response.end(text.startsWith('{"kind":"call.digits"') ? answer : "OK");
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const answer = JSON.stringify(documentOf(address));
  return {
    address,
    async close(): Promise<void> {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

function rowsOf(run: {
  kind: SwitchKind;
  people: number;
  ours: Measured;
  bare: Measured;
  urlMs: number;
}): Row[] {
  const { kind, people, ours, bare, urlMs } = run;
  const who = people === 1 ? `one caller, ${kind}` : `${people} callers, ${kind}`;
  const ms = (value: number) => `${value.toFixed(0)} ms`;
  const rows: Row[] = [
    {
      what: `from a key to the next prompt, p50 (${who})`,
      ours: ms(ours.p50),
      against: ms(bare.p50 + urlMs),
      ratio: ours.p50 / (bare.p50 + urlMs),
      aim: { atMost: 2 },
      note: `against a bare loop's ${ms(bare.p50)} and the ${ms(urlMs)} that the voice URL took; p99 ${ms(ours.p99)} and ${ms(bare.p99)}`,
    },
  ];
  if (people === 1) return rows;
  const rate = ({ steps }: Measured) => `${steps.toFixed(1)} /s`;
  return [
    ...rows,
    {
      what: `from a key to the next prompt, p99 (${who})`,
      ours: ms(ours.p99),
      against: ms(bare.p99 + urlMs),
      ratio: ours.p99 / (bare.p99 + urlMs),
      aim: { atMost: 3 },
    },
    {
      what: `keys answered by a prompt (${who})`,
      ours: rate(ours),
      against: rate(bare),
      ratio: ours.steps / bare.steps,
      aim: { atLeast: 0.9 },
      note: `a prompt of ${promptSeconds} s, and 0.4 to 1.2 s until the next key`,
    },
    {
      what: `our CPU a key against the switch's (${who})`,
      ours: `${ours.ours.toFixed(1)} ms`,
      against: `${ours.switch.toFixed(1)} ms`,
      ratio: ours.ours / ours.switch,
      aim: null,
      note: `${(ours.ours * ours.steps) / 10 < 1 ? "<1" : ((ours.ours * ours.steps) / 10).toFixed(0)} % of a core; with the bare loop the switch took ${bare.switch.toFixed(1)} ms a key`,
    },
  ];
}
