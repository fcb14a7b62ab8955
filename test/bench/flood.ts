import type { SipCall } from "../../engine/simulator/sip/call.ts";
import { numbers } from "../contract/world.ts";
import { SipDevice } from "../peers/sip-device.ts";
import { sipFlood } from "../peers/sip-flood.ts";
import type { SwitchKind } from "../peers/switch-under-test.ts";
import { eventually } from "../peers/waiting.ts";
import { TestWorld } from "../world/world.ts";
import { median, type Row } from "./table.ts";

const perSecond = 300;

interface Measured {
  setUpMs: number;
  framesPerSecond: number;
  longestGapMs: number;
}

/**
 * What a flood of the devices' port, that no firewall keeps out, does to a customer who talks and to the next who calls; against the
 * same without it, a moment before.
 */
export async function floodBench(kind: SwitchKind, seconds: number): Promise<Row[]> {
  const world = await TestWorld.start({ BAN_NEVER: "127.0.0.1", LOG_LEVEL: "error" }, undefined, {
    ...{ switchOptions: { devices: true }, switchKind: kind },
  });
  const devices = world.switch.devices!;
  const phone = await registeredPhone(world);
  try {
    await setUp(phone);
    await sipFlood(devices, { seconds: Math.min(1, seconds), perSecond, username: "warmup23" });
    const quiet = await measure(phone, seconds);
    const before = await residentBytes(world);
    const flood = sipFlood(devices, { seconds: seconds + 1, perSecond, username: phone.login.username });
    const flooded = await measure(phone, seconds);
    const { sent } = await flood;
    const after = await residentBytes(world);
    const during = `during a flood of ${perSecond} packets a second (${kind})`;
    const invalid = sent < seconds * perSecond ? "the flood was slower" : null;
    const ms = (value: number) => `${value.toFixed(0)} ms`;
    const mb = (bytes: number) => `${Math.round(bytes / 1024 / 1024)} MB`;
    return [
      {
        what: `from a device's INVITE to its answer, p50, ${during}`,
        ...{ ours: ms(flooded.setUpMs), against: `${ms(quiet.setUpMs)} without`, invalid },
        ...{ ratio: flooded.setUpMs / quiet.setUpMs, aim: { atMost: 1.5 } },
      },
      {
        what: `frames a second that a talking customer hears ${during}`,
        ours: flooded.framesPerSecond.toFixed(1),
        against: `${quiet.framesPerSecond.toFixed(1)} without`,
        ...{ ratio: flooded.framesPerSecond / quiet.framesPerSecond, aim: { atLeast: 0.97 }, invalid },
      },
      {
        what: `longest time between two frames ${during}`,
        ...{ ours: ms(flooded.longestGapMs), against: `${ms(quiet.longestGapMs)} without` },
        ...{ ratio: flooded.longestGapMs / quiet.longestGapMs, aim: null },
      },
      {
        what: `memory of the controller after that flood (${kind})`,
        ...{ ours: mb(after), against: `${mb(before)} before` },
        ...{ ratio: after / before, aim: { atMost: 1.2 }, invalid },
      },
    ];
  } finally {
    await phone.close();
    await world.end();
  }
}

async function registeredPhone(world: TestWorld): Promise<SipDevice> {
  const { body: list } = await world.customer.ask("GET", "/v1/numbers");
  const { body } = await world.customer.ask("POST", `/v1/numbers/${list.data[0].id}/sip-credentials`, {
    // They are set up as fast as they end.
    body: { label: "Desk", max_calls_per_second: 100 },
  });
  const phone = await SipDevice.open(world.switch.devices!, {
    ...{ username: body.username, password: body.password },
  });
  await eventually("a registration", async () =>
    (await phone.register()).status === 200 ? true : undefined,
  );
  return phone;
}

async function answered(phone: SipDevice): Promise<SipCall> {
  const call = phone.call(numbers.answers440);
  await new Promise<void>((resolve, reject) => {
    call.on("answered", resolve);
    call.on("ended", ({ status }) => reject(new Error(`A call ended with ${String(status)}.`)));
  });
  return call;
}

async function setUp(phone: SipDevice): Promise<number> {
  const fromMs = performance.now();
  const call = await answered(phone);
  const tookMs = performance.now() - fromMs;
  const ended = new Promise((resolve) => call.on("ended", resolve));
  call.end();
  await ended;
  return tookMs;
}

/** Somebody talks, and others are set up one after another. */
async function measure(phone: SipDevice, seconds: number): Promise<Measured> {
  const talk = await answered(phone);
  const frames: number[] = [];
  talk.media!.onFrame(() => frames.push(performance.now()));
  const fromMs = performance.now();
  const setUps: number[] = [];
  while (setUps.length === 0 || performance.now() < fromMs + seconds * 1000) setUps.push(await setUp(phone));
  const tookMs = performance.now() - fromMs;
  const gaps = frames.slice(1).map((atMs, index) => atMs - (frames[index] ?? atMs));
  const framesPerSecond = frames.length / (tookMs / 1000);
  talk.end();
  return { setUpMs: median(setUps), framesPerSecond, longestGapMs: Math.max(...gaps) };
}

async function residentBytes(world: TestWorld): Promise<number> {
  const text = await (await fetch(`${world.customer.baseUrl}/metrics`)).text();
  return Number(/^process_resident_memory_bytes (\S+)$/m.exec(text)?.[1]);
}
