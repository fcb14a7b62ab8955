import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import alawmulaw from "alawmulaw";
import fc from "fast-check";
import { convert } from "../../engine/media/convert.ts";
import { MediaError, type MediaFault } from "../../engine/media/media-error.ts";
import { Resampler } from "../../engine/media/resampler.ts";
import { amplitude, rms, wav, type WavShape } from "./wav.ts";

async function converted(bytes: Uint8Array, secondsMax = 3600): Promise<Float32Array> {
  const pieces: number[] = [];
  for await (const piece of convert(bytes, secondsMax))
    for (const sample of piece) pieces.push(sample / 32_768);
  return Float32Array.from(pieces);
}

const refused = (code: MediaFault) => (error: unknown) => error instanceof MediaError && error.code === code;

describe("media: converting", () => {
  const g711 = (codec: { encodeSample(sample: number): number }) => (sample: number) =>
    Buffer.of(codec.encodeSample(Math.round(sample * 32_767)));
  for (const [what, shape, seconds = 1] of [
    ["8-bit PCM", { bits: 8 }],
    ["16-bit PCM", {}],
    ["24-bit PCM at 48 kHz, stereo", { bits: 24, sampleRate: 48_000, channels: 2 }],
    ["32-bit PCM at 44.1 kHz", { bits: 32, sampleRate: 44_100 }],
    ["32-bit float at 44.1 kHz, stereo", { tag: 3, bits: 32, sampleRate: 44_100, channels: 2 }],
    ["64-bit float at 16 kHz", { tag: 3, bits: 64, sampleRate: 16_000 }],
    ["A-law", { tag: 6, bits: 8, encode: g711(alawmulaw.alaw) }],
    ["µ-law", { tag: 7, bits: 8, encode: g711(alawmulaw.mulaw) }],
    [
      "an extensible header at 22.05 kHz, six channels",
      { extensible: true, sampleRate: 22_050, channels: 6 },
    ],
    ["another chunk of odd length before the data", { extraChunk: true }],
    ["a data length of 0, as a stream has it", { declaredBytes: 0 }],
    ["a data length beyond the end", { declaredBytes: 0xffff_ffff }],
    ["an odd rate, 11 127 Hz", { sampleRate: 11_127 }],
    ["a rate below ours, 6 kHz", { sampleRate: 6000 }],
    ["192 kHz", { sampleRate: 192_000, seconds: 0.5 }, 0.5],
  ] satisfies [string, WavShape, number?][]) {
    it(`keeps a 440 Hz tone of a WAV with ${what}: its level, its length, and nothing beside it`, async () => {
      const samples = await converted(wav(shape));

      assert.equal(samples.length, Math.round(8000 * seconds));
      const middle = samples.slice(400, -400);
      assert(Math.abs(amplitude(middle, 440) - 0.5) < 0.01, `amplitude ${amplitude(middle, 440)}`);
      assert(Math.abs(rms(middle) - 0.5 / Math.SQRT2) < 0.01, `rms ${rms(middle)}`);
    });
  }

  // Made by LAME, which takes the level down to 95 %. The second has no LAME tag, so its padding stays.
  for (const [file, samplesMax] of [
    ["tone-440.mp3", 8000],
    ["tone-440-mono-16k.mp3", 8700],
  ] as const) {
    it(`keeps a 440 Hz tone of ${file}`, async () => {
      const samples = await converted(await readFile(join(import.meta.dirname, "fixtures", file)));

      assert(samples.length >= 8000 && samples.length <= samplesMax, `${samples.length} samples`);
      const middle = samples.slice(800, 7200);
      assert(Math.abs(amplitude(middle, 440) - 0.475) < 0.01, `amplitude ${amplitude(middle, 440)}`);
    });
  }

  it("passes 16-bit PCM at 8 kHz through, bit for bit", async () => {
    const source = wav({ seconds: 0.1 });
    const samples = await converted(source);
    assert.deepEqual(
      Array.from(samples, (sample) => sample * 32_768),
      Array.from({ length: 800 }, (_, index) => source.readInt16LE(44 + index * 2)),
    );
  });

  it("lets nothing above the telephone's band fold into it", async () => {
    for (const hz of [4300, 5000, 7000, 7560, 8440, 12_000, 15_560, 20_000]) {
      const samples = await converted(wav({ sampleRate: 44_100, hz, seconds: 0.5 }));
      assert(rms(samples.slice(400, -400)) < 0.001, `${hz} Hz leaves ${rms(samples.slice(400, -400))}`);
    }
  });

  it("mixes stereo down to the mean", async () => {
    const source = wav({ channels: 2, seconds: 0.5 });
    for (let at = 46; at < source.length; at += 4) source.writeInt16LE(0, at);
    const samples = await converted(source);
    assert(Math.abs(amplitude(samples, 440) - 0.25) < 0.01);
  });

  it("resamples the same whatever the pieces it is given", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(44_100, 48_000, 11_127, 6000),
        fc.array(fc.nat(700), { minLength: 1, maxLength: 8 }),
        (rate, cuts) => {
          const input = Float32Array.from({ length: 2000 }, (_, index) => Math.sin(index / 7));
          const whole = new Resampler(rate, 8000);
          const expected = [...whole.push(input), ...whole.end()];
          const pieces = new Resampler(rate, 8000);
          const got: number[] = [];
          let at = 0;
          for (const cut of cuts)
            got.push(...pieces.push(input.subarray(at, (at = Math.min(2000, at + cut)))));
          got.push(...pieces.push(input.subarray(at)), ...pieces.end());
          assert.deepEqual(got, expected);
        },
      ),
      { numRuns: 40 },
    );
  });

  for (const [what, bytes, code] of [
    ["a web page", Buffer.from("<!doctype html><title>404</title>".repeat(50)), "not_audio"],
    ["nothing", Buffer.alloc(0), "not_audio"],
    ["an Ogg file", Buffer.concat([Buffer.from("OggS"), Buffer.alloc(4000, 0xff)]), "not_audio"],
    [
      "an ID3 tag and nothing after it",
      Buffer.concat([Buffer.from("ID3\x04\0\0\0\0\x1f\x76"), Buffer.alloc(4086)]),
      "not_audio",
    ],
    ["a WAV without data", wav().subarray(0, 36), "not_audio"],
    ["a WAV of no samples", wav({ seconds: 0 }), "not_audio"],
    ["a WAV of a coding that we do not read", wav({ tag: 0x11 }), "unsupported"],
    ["a WAV of 0 channels", Buffer.from(wav()).fill(0, 22, 24), "unsupported"],
    ["a WAV of 0 Hz", Buffer.from(wav()).fill(0, 24, 28), "unsupported"],
    ["more than its longest", wav({ seconds: 3 }), "too_long"],
  ] satisfies [string, Buffer, MediaFault][]) {
    it(`refuses ${what} as ${code}`, async () => {
      await assert.rejects(converted(bytes, 2), refused(code));
    });
  }

  it("answers any bytes after a WAV's beginning with audio or a refusal", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(43), fc.uint8Array({ minLength: 1, maxLength: 24 }), async (at, junk) => {
        const bytes = Buffer.from(wav({ seconds: 0.05 }));
        bytes.set(junk.subarray(0, 44 - at), at);
        await converted(bytes).catch((error: unknown) => assert(error instanceof MediaError, String(error)));
      }),
      { numRuns: 200 },
    );
  });
});
