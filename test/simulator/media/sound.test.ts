import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { g711 } from "../../../engine/simulator/media/g711.ts";
import { dominantTone, levelDbfs } from "../../../engine/simulator/media/goertzel.ts";
import type { FrameSource } from "../../../engine/simulator/media/session.ts";
import { samplesSource, toneSource } from "../../../engine/simulator/media/tone.ts";
import { createWavWriter, parseWav, readWav, toTelephone } from "../../../engine/simulator/media/wav.ts";

function pull(source: FrameSource, frames: number): Int16Array {
  const samples = new Int16Array(frames * 160);
  for (let i = 0; i < frames; i += 1) samples.set(source()!, i * 160);
  return samples;
}

const sine = (hz: number, rateHz: number, seconds = 1): Int16Array =>
  Int16Array.from({ length: rateHz * seconds }, (_, i) => 8000 * Math.sin((2 * Math.PI * hz * i) / rateHz));

describe("tones", () => {
  for (const hz of [425, 440, 620, 880, 1400]) {
    it(`of ${hz} Hz are heard as what they are, through both laws`, () => {
      const samples = pull(toneSource({ hz }), 50);
      for (const law of [g711.PCMU, g711.PCMA]) {
        const heard = dominantTone(law.decode(law.encode(samples)));
        assert.ok(heard && Math.abs(heard.hz - hz) <= 1);
        assert.ok(Math.abs(heard.levelDbfs + 12) < 0.5);
      }
    });
  }

  it("add up when there are two", () => {
    const both = pull(toneSource({ hz: [350, 440], levelDbfs: -20 }), 50);
    assert.ok(Math.abs(levelDbfs(both, 350) + 20) < 0.5);
    assert.ok(Math.abs(levelDbfs(both, 440) + 20) < 0.5);
    assert.ok(levelDbfs(both, 600) < -60);
  });

  it("keep their cadence: 400 ms on, 200 off", () => {
    const samples = pull(toneSource({ hz: 425, cadenceMs: [400, 200] }), 60);
    const loud = Array.from(
      { length: 12 },
      (_, i) => levelDbfs(samples.subarray(i * 800, i * 800 + 800), 425) > -20,
    );
    assert.deepEqual(loud, [true, true, true, true, false, false, true, true, true, true, false, false]);
  });

  it("are not heard in silence", () => {
    assert.equal(dominantTone(new Int16Array(8000)), null);
  });

  it("come to an end when they are samples, the last frame filled with silence", () => {
    const source = samplesSource(new Int16Array(200).fill(5));
    assert.deepEqual(source(), new Int16Array(160).fill(5));
    const last = source()!;
    assert.deepEqual([last[39], last[40], last.length], [5, 0, 160]);
    assert.equal(source(), null);
  });
});

describe("WAV files", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "sautikit-wav-"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it("hold what was written, a channel a side, and the true length", async () => {
    const path = join(folder, "call.wav");
    const wanjiru = sine(440, 8000);
    const otieno = sine(880, 8000);
    const file = await createWavWriter(path, { channels: 2 });
    for (let at = 0; at < 8000; at += 160) {
      file.write(wanjiru.subarray(at, at + 160), otieno.subarray(at, at + 160));
    }
    assert.equal(await file.close(), 1000);
    assert.equal(await file.close(), 1000);
    assert.deepEqual(await readWav(path), { rateHz: 8000, channels: [wanjiru, otieno] });
  });

  it("are read to their end when they were never closed", async () => {
    const path = join(folder, "torn.wav");
    const file = await createWavWriter(path, { channels: 1 });
    file.write(sine(440, 8000));
    await file.close();
    const bytes = await readFile(path);
    bytes.writeUInt32LE(0, 40);
    await writeFile(path, bytes.subarray(0, 44 + 1001));
    assert.equal((await readWav(path)).channels[0]?.length, 500);
  });

  it("are refused when they are something else", () => {
    assert.throws(() => parseWav(Buffer.from("ID3 and so on, long enough to look at")), /not a WAV file/);
  });

  for (const rateHz of [16000, 22050, 48000]) {
    it(`of ${rateHz} Hz play at their own pitch and level, and what 8 kHz cannot carry is gone`, () => {
      const low = toTelephone({ rateHz, channels: [sine(1000, rateHz)] });
      assert.equal(low.length, 8000);
      assert.ok(Math.abs(levelDbfs(low, 1000) - levelDbfs(sine(1000, 8000), 1000)) < 0.2);
      const high = toTelephone({ rateHz, channels: [sine(5000, rateHz)] });
      assert.ok(levelDbfs(high, 3000) < -60);
    });
  }

  it("in stereo are mixed into one", () => {
    const mixed = toTelephone({ rateHz: 8000, channels: [sine(440, 8000), sine(880, 8000)] });
    assert.ok(levelDbfs(mixed, 440) > -20 && levelDbfs(mixed, 880) > -20);
  });
});
