import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { isAbsolute, join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { systemClock, type Clock } from "../../../engine/clock.ts";
import { createEgress } from "../../../engine/egress/egress.ts";
import type { Log } from "../../../engine/log.ts";
import { MediaError } from "../../../engine/media/media-error.ts";
import { asked, nobody, noPrompts } from "../no-prompts.ts";
import { MediaLibrary } from "../../../engine/media/media-library.ts";
import type { SpeechSource } from "../../../engine/media/media-source.ts";
import { EspeakEngine } from "../../../engine/media/speech/espeak-engine.ts";
import type { SpeechEngine } from "../../../engine/media/speech/speech-engine.ts";
import { processesOf } from "../../peers/processes.ts";
import { ManualClock } from "../../webhooks/manual-clock.ts";
import { until } from "../../webhooks/until.ts";
import { amplitude, played, rms, wav } from "../wav.ts";

/** What an engine of the test's own was asked, and what it gives. */
class ScriptedEngine implements SpeechEngine {
  readonly name: string;
  readonly version: string;
  readonly asked: SpeechSource[] = [];
  give: (signal: AbortSignal) => Promise<Uint8Array> = () => Promise.resolve(wav({ seconds: 0.5 }));

  constructor(name = "scripted", version = "1") {
    this.name = name;
    this.version = version;
  }

  render(source: SpeechSource, signal: AbortSignal): Promise<Uint8Array> {
    this.asked.push(source);
    return this.give(signal);
  }

  close = () => Promise.resolve();
}

describe("speech: what a caller hears", function () {
  this.timeout(60_000);
  let folder: string;
  let logged: string[];
  const closers: (() => Promise<void>)[] = [];
  const open = (speech: SpeechEngine, clock: Clock = systemClock, directory = folder) => {
    const note = (fields: unknown, message?: string) => {
      const { err, ...rest } = fields as { err?: Error };
      logged.push(`${message} ${JSON.stringify(rest)} ${err?.stack} ${String(err?.cause)}`);
    };
    const log: Log = { debug: note, info: note, warn: note, error: note };
    const egress = createEgress({ clock, allowPrivate: true });
    const library = new MediaLibrary({
      egress,
      prompts: noPrompts,
      inUse: nobody,
      speech,
      clock,
      log,
      directory,
    });
    closers.push(async () => {
      await library.close();
      await speech.close();
    });
    return asked(library);
  };
  const said = (text: string, more: Partial<SpeechSource> = {}): SpeechSource => ({
    text,
    language: "sw-KE",
    voice: "woman",
    ...more,
  });
  const samplesOf = async (file: string) => played(await readFile(file));
  const never = (signal: AbortSignal) =>
    new Promise<never>((_, reject) => {
      signal.addEventListener("abort", () => reject(new Error("given up")));
    });
  /** Three tones, one after another, each alone. */
  async function assertTones(file: string) {
    const samples = await samplesOf(file);
    assert.ok(samples.length <= 1.5 * 8000);
    for (const [index, hz] of [950, 1400, 1800].entries()) {
      const part = samples.slice(index * 2880 + 200, index * 2880 + 2440);
      for (const other of [950, 1400, 1800])
        assert.ok(amplitude(part, other) > 0.2 === (other === hz), `${other} Hz in tone ${index + 1}`);
    }
  }

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "sautikit-speaker-"));
    logged = [];
  });
  afterEach(async () => {
    for (const close of closers.splice(0)) await close();
    assert.deepEqual(processesOf(process.pid, "espeak-process"), [], "left behind");
    await rm(folder, { recursive: true, force: true });
  });

  it("is a text as a file that the switch plays: 8 kHz, 16 bits, mono, and loud enough", async () => {
    const { file, durationMs, insteadOf } = await open(new EspeakEngine({ clock: systemClock })).prepare(
      said("Karibu sana. Bonyeza moja."),
    );
    const samples = await samplesOf(file);
    assert.ok(isAbsolute(file));
    assert.equal(insteadOf, undefined);
    assert.equal(durationMs, Math.round(samples.length / 8));
    assert.ok(durationMs > 1000 && rms(samples) > 0.03);
  });

  it("is rendered once for all who ask at once, and not again after a restart", async () => {
    const first = new ScriptedEngine();
    const library = open(first);
    const all = await Promise.all([1, 2, 3].map(() => library.prepare(said("Karibu"))));
    all.push(await library.prepare(said("Karibu")));
    const second = new ScriptedEngine();
    all.push(await open(second).prepare(said("Karibu")));

    assert.equal(new Set(all.map(({ file }) => file)).size, 1);
    assert.deepEqual([first.asked.length, second.asked.length], [1, 0]);
  });

  it("is rendered anew for another text, voice, language, engine or version", async () => {
    const files = new Set<string>();
    for (const [engine, source] of [
      [new ScriptedEngine(), said("Karibu")],
      [new ScriptedEngine(), said("Karibu!")],
      [new ScriptedEngine(), said("Karibu", { voice: "man" })],
      [new ScriptedEngine(), said("Karibu", { language: "en-KE" })],
      [new ScriptedEngine("another"), said("Karibu")],
      [new ScriptedEngine("scripted", "2"), said("Karibu")],
    ] as const) {
      files.add((await open(engine).prepare(source)).file);
      assert.equal(engine.asked.length, 1);
    }
    assert.equal(files.size, 6);
  });

  it("is three tones in a language that the engine lacks, with the reason, and without the text in the log", async () => {
    const library = open(new EspeakEngine({ clock: systemClock }));
    const { file, insteadOf, durationMs } = await library.prepare(
      said("4821 Ndamukunda", { language: "rw-RW" }),
    );
    assert.equal(insteadOf, "unsupported_language");
    assert.equal(durationMs, 1050);
    await assertTones(file);
    assert.equal(logged.length, 1);
    assert.match(logged[0]!, /unsupported_language/);
    assert.doesNotMatch(logged[0]!, /4821|Ndamukunda/);
  });

  it("is three tones where the engine breaks down, says nothing, or gives what is no audio; the next text is spoken", async () => {
    const engine = new ScriptedEngine();
    const library = open(engine);
    for (const [audio, reason] of [
      [null, "failed"],
      [Buffer.alloc(0), "not_audio"],
      [Buffer.from("<html>"), "not_audio"],
      [wav({ seconds: 1, hz: 0 }), "silent"],
      [wav({ seconds: 301, bits: 8 }), "too_long"],
    ] as const) {
      engine.give = () => (audio ? Promise.resolve(audio) : Promise.reject(new Error("broken")));
      const { file, insteadOf } = await library.prepare(said("Karibu"));
      assert.equal(insteadOf, reason);
      await assertTones(file);
    }
    engine.give = () => Promise.resolve(wav({ seconds: 0.5 }));
    assert.equal((await library.prepare(said("Karibu"))).insteadOf, undefined);
    assert.deepEqual(
      (await readdir(folder)).filter((name) => !name.endsWith(".wav")),
      [],
    );
  });

  it("is three tones when the engine never answers, in time for the document to play them", async () => {
    const clock = new ManualClock();
    const engine = new ScriptedEngine();
    engine.give = never;
    const preparing = open(engine, clock).prepare(said("Karibu"));
    await until(() => engine.asked.length === 1, "the engine asked");
    clock.advanceTo(clock.nowMs() + 14_000);
    const { file, insteadOf } = await preparing;
    assert.equal(insteadOf, "timed_out");
    await assertTones(file);
    assert.equal(clock.pending, 0);
  });

  it("that came too late is kept, and there for the next", async () => {
    const clock = new ManualClock();
    const engine = new ScriptedEngine();
    let give: (audio: Uint8Array) => void = () => undefined;
    engine.give = () => new Promise((resolve) => (give = resolve));
    const library = open(engine, clock);
    const preparing = library.prepare(said("Karibu"));
    await until(() => engine.asked.length === 1, "the engine asked");
    clock.advanceTo(clock.nowMs() + 14_000);
    assert.equal((await preparing).insteadOf, "timed_out");

    give(wav({ seconds: 0.5 }));
    await until(
      async () => (await readdir(folder)).filter((name) => name.endsWith(".wav")).length === 2,
      "kept",
    );

    assert.equal((await library.prepare(said("Karibu"))).durationMs, 500);
    assert.equal(engine.asked.length, 1);
  });

  it("is made ready before there is no more room: then it is the tones that were there", async () => {
    const engine = new ScriptedEngine();
    const library = open(engine);
    await library.makeFallback();
    const [tones] = await readdir(folder);
    // No file can be put where a file is expected to be a folder.
    engine.give = async () => {
      await rm(folder, { recursive: true });
      await writeFile(folder, "");
      return wav({ seconds: 0.5 });
    };
    const { file, insteadOf } = await library.prepare(said("Karibu"));
    assert.equal(insteadOf, "failed");
    assert.equal(file, join(folder, tones!));
  });

  it("fails where not even the tones can be kept, and says so", async () => {
    const file = join(folder, "file");
    await writeFile(file, "");
    await assert.rejects(
      open(new ScriptedEngine(), systemClock, join(file, "media")).prepare(said("Karibu")),
      (error: unknown) => error instanceof MediaError && error.code === "failed",
    );
    assert.match(logged.join("\n"), /tones/);
  });

  it("is speech or tones, whatever the text is", async () => {
    // However long this machine takes for it.
    const clock = new ManualClock();
    const library = open(new EspeakEngine({ clock }), clock);
    for (const [text, spoken] of [
      ["a\0b \u0001200S \u001b[31m habari", true],
      ["moja\n\nmbili\r\ntatu", true],
      ["--voice", true],
      ["-v /etc/passwd", true],
      ["<speak><audio src='/etc/passwd'/><break time='3600s'/></speak>", true],
      ["]]>&unknown;&#0;&#xD800;<![CDATA[", true],
      ["😀👨‍👩‍👧‍👦", true],
      ["\ud800 nusu", true],
      ["%s%n%x ${jndi:ldap://x} $(reboot) ; DROP TABLE calls", true],
      ["Karibu ".repeat(428), true],
      ["\u0001\u0002\u001b", false],
      ["((((", false],
    ] satisfies [string, boolean][]) {
      const { file, insteadOf } = await library.prepare(said(text));
      assert.equal(insteadOf, spoken ? undefined : "silent", JSON.stringify(text));
      assert.ok(rms(await samplesOf(file)) > 0.02, JSON.stringify(text));
      assert.ok((await stat(file)).size < 16_000 * 310);
    }
  });

  it("is given up when the library closes", async () => {
    const engine = new ScriptedEngine();
    engine.give = never;
    const library = open(engine);
    const preparing = assert.rejects(library.prepare(said("Karibu")), MediaError);
    await until(() => engine.asked.length === 1, "the engine asked");
    await library.close();
    await preparing;
    assert.deepEqual(logged, []);
  });

  it("leaves nothing behind in memory, however often it is said", async () => {
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    const library = open(new ScriptedEngine());
    const heapAfter = async (times: number) => {
      for (let time = 0; time < times; time++) await library.prepare(said("Karibu"));
      for (let round = 0; round < 3; round++) {
        collect();
        await systemClock.sleep(20);
      }
      return process.memoryUsage().heapUsed;
    };
    const before = await heapAfter(500);
    const grown = (await heapAfter(4_000)) - before;
    // A listener that stays is about 2 KB each time: 8 MB.
    assert.ok(grown < 2_000_000, `${grown} bytes more`);
  });
});
