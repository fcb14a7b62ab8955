import assert from "node:assert/strict";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { levelDbfs } from "../../engine/simulator/media/goertzel.ts";
import { toneSource } from "../../engine/simulator/media/tone.ts";
import { sideBySide } from "../peers/side-by-side.ts";
import { eventually } from "../peers/waiting.ts";
import { describeContract } from "./report.ts";
import { audibleDbfs, ids, numbers, World } from "./world.ts";

const loopback = "127.0.0.1";

/** A UDP port of ours that keeps what comes, and answers each frame with one of a tone, if it has any. */
class Port {
  readonly socket: Socket;
  readonly frames: Buffer[] = [];
  readonly from = new Set<number>();

  static async open(toneHz?: number, port = 0): Promise<Port> {
    const socket = createSocket("udp4").bind(port, loopback);
    await once(socket, "listening");
    return new Port(socket, toneHz);
  }

  private constructor(socket: Socket, toneHz?: number) {
    this.socket = socket;
    const tone = toneHz === undefined ? undefined : toneSource({ hz: toneHz });
    socket.on("message", (bytes, { port }) => {
      this.frames.push(bytes);
      this.from.add(port);
      const pcm = tone?.();
      if (pcm) socket.send(Buffer.from(pcm.buffer), port, loopback);
    });
  }

  get address() {
    return { host: loopback, port: this.socket.address().port };
  }

  heard(): Int16Array {
    const bytes = Buffer.concat(this.frames);
    return Int16Array.from({ length: bytes.length / 2 }, (_, index) => bytes.readInt16LE(index * 2));
  }

  until(count: number): Promise<true> {
    return eventually(`${count} frames`, () => (this.frames.length >= count ? true : undefined), {
      withinMs: 5_000,
      everyMs: 10,
    });
  }

  close(): void {
    this.socket.close();
  }
}

describeContract("the contract of the switch: a leg's audio by UDP", function () {
  this.timeout(60_000);
  let world: World;
  before(async () => {
    world = await World.open();
  });
  after(() => world.close());
  const test = sideBySide(4);
  let ports = 12_000 + Math.floor(Math.random() * 3_000);
  const its = () => ({ host: loopback, port: ++ports });

  test("what the party says comes as 20 ms of L16 a datagram, what is sent is heard, and digits come meanwhile", async () => {
    const { box } = world;
    assert.deepEqual(box.ends, { ours: loopback, its: loopback });
    const recording = ids.next("rec");
    const party = await world.parked(numbers.repeatsDigits);
    await box.startRecording(party.leg, recording);
    const [theirs, ours] = [its(), await Port.open(700)];
    assert.equal(await box.forkMedia(party.leg, { its: theirs, ours: ours.address }), true);
    await ours.until(100);
    assert.ok(ours.frames.every(({ length }) => length === 320));
    assert.deepEqual([...ours.from], [theirs.port]);
    assert.ok(levelDbfs(ours.heard(), 440) > audibleDbfs);
    await world.carrierCall(party, ({ heard }) => heard.some(({ hz }) => hz === 700));
    await box.sendDigits(party.leg, "7");
    assert.equal((await world.event(party.leg, "digit")).digit, "7");

    // It is parked anew, and nothing comes any more; another one may begin, on the same port.
    assert.equal(await box.endFork(party.leg), true);
    await once(ours.socket, "message", { signal: AbortSignal.timeout(300) }).catch(() => undefined);
    const ended = ours.frames.length;
    await assert.rejects(once(ours.socket, "message", { signal: AbortSignal.timeout(300) }));
    assert.equal(ours.frames.length, ended);
    assert.equal(await box.forkMedia(party.leg, { its: theirs, ours: ours.address }), true);
    await ours.until(ended + 20);
    assert.equal(await box.endFork(party.leg), true);

    await box.play(party.leg, await world.toneFile(1000, 500), { token: "after", loops: 1 });
    assert.equal((await world.event(party.leg, "playbackEnded")).outcome, "played");
    await box.stopRecording(party.leg, recording);
    await world.event(party.leg, "recordingStopped");
    const [said, heard] = (await world.wav(recording)).channels;
    assert.ok(levelDbfs(said!, 440) > audibleDbfs);
    assert.ok(levelDbfs(heard!.subarray(4000, 12_000), 700) > audibleDbfs);
    assert.ok(levelDbfs(heard!.subarray(-5000, -2000), 1000) > audibleDbfs);
    ours.close();
    await box.hangUp(party.leg, "NORMAL_CLEARING");
  });

  test("a port that somebody has is told to nobody: no datagram comes, and after a fresh park another one serves", async () => {
    const { box } = world;
    const taken = await Port.open(undefined, its().port);
    const ours = await Port.open();
    const { leg } = await world.parked(numbers.answers440);
    assert.equal(await box.forkMedia(leg, { its: taken.address, ours: ours.address }), true);
    await assert.rejects(once(ours.socket, "message", { signal: AbortSignal.timeout(500) }));
    assert.equal(await box.endFork(leg), true);
    await box.forkMedia(leg, { its: its(), ours: ours.address });
    await ours.until(5);
    taken.close();
    ours.close();
    await box.hangUp(leg, "NORMAL_CLEARING");
  });

  test("a leg outlives whoever heard it, and is forked anew by another", async () => {
    const { box } = world;
    const { leg } = await world.parked(numbers.answers440);
    const [first, second] = [await Port.open(700), await Port.open()];
    await box.forkMedia(leg, { its: its(), ours: first.address });
    await first.until(20);
    first.close();
    await assert.rejects(once(second.socket, "message", { signal: AbortSignal.timeout(500) }));
    assert.equal(await box.endFork(leg), true);
    await box.forkMedia(leg, { its: its(), ours: second.address });
    await second.until(20);
    second.close();
    await box.hangUp(leg, "NORMAL_CLEARING");
  });

  test("a leg that ends in any moment of it takes nothing along", async () => {
    const { box } = world;
    for (let afterMs = 0; afterMs < 40; afterMs += 5) {
      const { leg } = await world.parked(numbers.answers440);
      const ours = await Port.open();
      await box.forkMedia(leg, { its: its(), ours: ours.address });
      await new Promise((resolve) => setTimeout(resolve, afterMs));
      const ending = afterMs % 10 === 0 ? box.endFork(leg).catch(() => false) : undefined;
      await box.hangUp(leg, "NORMAL_CLEARING");
      await world.event(leg, "hungUp");
      await ending;
      ours.close();
    }
    const gone = ids.next("leg");
    assert.equal(await box.endFork(gone), false);
    const fork = { its: its(), ours: its() };
    assert.equal(await box.forkMedia(gone, fork), false);
    await assert.rejects(box.forkMedia(gone, { ...fork, its: { host: "a b", port: 1 } }), RangeError);
    assert.match(await box.version(), /./);
  });
});
