import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { readWav, repairWav } from "../../recordings/wav-file.ts";
import { neverClosed, speech, wav } from "./world.ts";

describe("a WAV file", () => {
  let directory: string;
  let path: string;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "sautikit-wav-"));
    path = join(directory, "rec.wav");
  });
  after(() => rm(directory, { recursive: true }));

  const chunks = fc.array(
    fc.tuple(
      fc.constantFrom("LIST", "PEAK", "bext", "JUNK"),
      fc.uint8Array({ maxLength: 70 }).map((bytes) => Buffer.from(bytes)),
    ),
    { maxLength: 4 },
  );
  const frames = fc.integer({ min: 0, max: 400 }).map((count) => Buffer.alloc(count * 4, 7));

  it("is as long as its data, whatever chunks stand around it", async () => {
    await fc.assert(
      fc.asyncProperty(frames, chunks, chunks, async (data, before, after) => {
        await writeFile(path, wav({ frames: data, before, after }));
        const expected = { closed: true, dataBytes: data.length, durationMs: Math.round(data.length / 32) };
        assert.deepEqual(await readWav(path), expected);
      }),
    );
  });

  it("that was closed is not touched by a repair", async () => {
    await fc.assert(
      fc.asyncProperty(frames, chunks, chunks, async (data, before, after) => {
        const closed = wav({ frames: data, before, after });
        await writeFile(path, closed);
        await repairWav(path);
        assert.deepEqual(await readFile(path), closed);
      }),
    );
  });

  it("that was never closed is repaired to what closing it would have made", async () => {
    await fc.assert(
      fc.asyncProperty(frames, chunks, async (data, before) => {
        const closed = wav({ frames: data, before });
        await writeFile(path, neverClosed(closed));
        const repaired = await repairWav(path);
        assert.deepEqual(await readFile(path), closed);
        assert.equal(repaired?.dataBytes, data.length);
      }),
    );
  });

  it("whose repair was cut off between its two writes is repaired by the next", async () => {
    const closed = wav({ frames: speech(20) });
    const halfway = neverClosed(closed);
    halfway.writeUInt32LE(closed.length - 44, 40);
    await writeFile(path, halfway);

    await repairWav(path);

    assert.deepEqual(await readFile(path), closed);
  });

  it("that was cut off within a frame counts the whole ones", async () => {
    await writeFile(path, neverClosed(wav({ frames: speech(20) })).subarray(0, -3));
    assert.deepEqual(await repairWav(path), { closed: true, dataBytes: 636, durationMs: 20 });
  });

  it("that says more than it holds, being cut off, is as long as what it holds", async () => {
    await writeFile(path, wav({ frames: speech(20) }).subarray(0, 44 + 320));
    assert.deepEqual(await repairWav(path), { closed: true, dataBytes: 320, durationMs: 10 });
  });

  for (const [what, content] of [
    ["nothing", Buffer.alloc(0)],
    ["half a header", wav({ frames: speech(20) }).subarray(0, 30)],
    ["zeros, after a power cut", Buffer.alloc(4096)],
    ["something else", Buffer.from("RIFF0000AVI and so on, and so on, and so on, and on")],
    ["no format", Buffer.concat([Buffer.from("RIFF\0\0\0\0WAVEdata\u0004\0\0\0"), Buffer.alloc(4)])],
  ] as const) {
    it(`is none with ${what} in it`, async () => {
      await writeFile(path, content);
      assert.equal(await readWav(path), null);
      assert.equal(await repairWav(path), null);
      assert.deepEqual(await readFile(path), content);
    });
  }
});
