import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { systemClock, type Clock } from "../../../engine/clock.ts";
import { wavSource } from "../../../engine/media/wav-source.ts";
import { EspeakEngine } from "../../../engine/media/speech/espeak-engine.ts";
import { SpeechError, type SpeechFault } from "../../../engine/media/speech/speech-engine.ts";
import { isRunning, processesOf } from "../../peers/processes.ts";
import { eventually } from "../../peers/waiting.ts";
import { ManualClock } from "../../webhooks/manual-clock.ts";
import { until } from "../../webhooks/until.ts";
import { rms } from "../wav.ts";

describe("speech: the built-in engine", function () {
  this.timeout(60_000);
  const engines: EspeakEngine[] = [];
  const open = (clock: Clock = systemClock) => {
    const engine = new EspeakEngine({ clock });
    engines.push(engine);
    return engine;
  };
  const processes = () => processesOf(process.pid, "espeak-process");
  const say = (engine: EspeakEngine, text: string, language = "en-KE", voice = "woman") =>
    engine.render({ text, language, voice }, new AbortController().signal);
  const heard = async (wav: Promise<Uint8Array>) => {
    const [piece] = joined(await wav);
    assert.ok(piece, "no audio");
    return { seconds: piece.mono.length / piece.sampleRate, level: rms(piece.mono), mono: piece.mono };
  };
  const refused = (code: SpeechFault) => (error: unknown) =>
    error instanceof SpeechError && error.code === code;

  afterEach(async () => {
    for (const engine of engines.splice(0)) await engine.close();
    assert.deepEqual(processes(), [], "left behind");
  });

  it("speaks English and Swahili, each in its own way, and longer for a longer text", async () => {
    const engine = open();
    const text = "Karibu sana";
    const swahili = await heard(say(engine, text, "sw-KE"));
    const english = await heard(say(engine, text, "en-KE"));
    const longer = await heard(
      say(engine, `${text}. Bonyeza moja kwa Kiswahili, mbili kwa Kiingereza.`, "sw-KE"),
    );

    for (const { level, seconds } of [swahili, english, longer]) {
      assert.ok(level > 0.03, `as quiet as ${level}`);
      assert.ok(seconds > 0.5 && seconds < 10, `${seconds} s`);
    }
    assert.ok(longer.seconds > swahili.seconds + 2);
    assert.notDeepEqual(english.mono, swahili.mono);
  });

  it("has a woman's voice and a man's, which is lower", async () => {
    const engine = open();
    const pitch = async (voice: string) =>
      pitchHz((await heard(say(engine, "Aaaa, laaa, maaa", "sw", voice))).mono);
    const [woman, man] = [await pitch("woman"), await pitch("man")];
    assert.ok(man > 60 && woman > man * 1.3, `a woman at ${woman} Hz, a man at ${man} Hz`);
  });

  it("refuses a language that it lacks, and speaks the next text", async () => {
    const engine = open();
    await assert.rejects(say(engine, "Ndamukunda", "rw-RW"), refused("unsupported_language"));
    await assert.rejects(say(engine, "Karibu", "xx"), refused("unsupported_language"));
    assert.ok((await heard(say(engine, "Karibu", "sw"))).level > 0.03);
  });

  it("takes a region that it does not know for the language, and one that it knows for itself", async () => {
    const engine = open();
    const [general, kenyan, american] = await Promise.all(
      ["en", "en-KE", "en-US"].map((language) => heard(say(engine, "The water bottle, please", language))),
    );
    // No two renderings are quite the same.
    assert.ok(Math.abs(kenyan!.seconds - general!.seconds) < 0.02);
    assert.ok(Math.abs(american!.seconds - general!.seconds) > 0.05);
  });

  it("reads a text as it stands: markup, phonemes and options are said, not obeyed", async () => {
    const engine = open();
    const seconds = async (text: string) => (await heard(say(engine, text))).seconds;
    const plain = await seconds("hello");
    for (const text of [
      "<speak>hello <break time='60s'/></speak>",
      "[[h@l'oU]] hello",
      "--voice sw hello",
      "&lt; hello",
    ]) {
      const long = await seconds(text);
      assert.ok(long > plain + 0.5 && long < 20, `${text}: ${long} s beside ${plain} s`);
    }
  });

  it("gives up a text that is longer than anybody listens to", async () => {
    // However long this machine takes to find out.
    await assert.rejects(say(open(new ManualClock()), "中".repeat(3000)), refused("too_long"));
  });

  it("uses one process for all texts, and speaks them one after another", async () => {
    const engine = open();
    assert.deepEqual(processes(), [], "none before the first text");
    await Promise.all(["moja", "mbili", "tatu"].map((text) => heard(say(engine, text, "sw"))));
    assert.equal(processes().length, 1);
  });

  it("that is killed between two texts speaks the second", async () => {
    const engine = open();
    await say(engine, "moja", "sw");
    process.kill(processes()[0]!, "SIGKILL");
    assert.ok((await heard(say(engine, "mbili", "sw"))).level > 0.03);
  });

  it("that is killed in the middle of a text begins it again, and fails where that is killed too", async () => {
    const engine = open();
    const kill = async (spared = -1) => {
      await until(() => processes().some((pid) => pid !== spared), "a process");
      const pid = processes().find((pid) => pid !== spared)!;
      process.kill(pid, "SIGKILL");
      return pid;
    };
    const once = say(engine, "moja", "sw");
    await kill();
    assert.ok((await heard(once)).level > 0.03);

    await engine.close();
    const another = open();
    const twice = assert.rejects(say(another, "mbili", "sw"), refused("failed"));
    await kill(await kill());
    await twice;
    assert.ok((await heard(say(another, "tatu", "sw"))).level > 0.03);
  });

  it("that hangs is killed when the text's time is up, and the next text is spoken", async () => {
    const clock = new ManualClock();
    const engine = open(clock);
    await say(engine, "moja", "sw");
    const [pid] = processes();
    process.kill(pid!, "SIGSTOP");

    const hanging = assert.rejects(say(engine, "mbili", "sw"), refused("timed_out"));
    const next = heard(say(engine, "tatu", "sw"));
    await until(() => clock.pending > 0, "a time limit");
    clock.advanceTo(clock.nowMs() + 10_000);

    await hanging;
    assert.ok((await next).level > 0.03);
    assert.equal(isRunning(pid!), false);
    assert.equal(clock.pending, 0);
  });

  it("lets 64 texts wait and refuses one more; a text that nobody waits for is not begun", async () => {
    const clock = new ManualClock();
    const engine = open(clock);
    await say(engine, "moja", "sw");
    process.kill(processes()[0]!, "SIGSTOP");
    const given = new AbortController();
    const outcomes = Array.from({ length: 65 }, (_, index) =>
      engine.render({ text: `nambari ${index}`, language: "sw", voice: "man" }, given.signal).then(
        () => "spoken",
        (error: unknown) => (error as SpeechError).code,
      ),
    );

    await assert.rejects(say(engine, "nyingi", "sw"), refused("busy"));
    given.abort();
    clock.advanceTo(clock.nowMs() + 10_000);

    assert.deepEqual(new Set(await Promise.all(outcomes)), new Set(["timed_out"]));
    assert.deepEqual(processes(), [], "it was killed, and nothing needed another");
  });

  it("refuses what comes after its end, and what was being spoken", async () => {
    const engine = open();
    const speaking = assert.rejects(say(engine, "moja", "sw"), refused("failed"));
    await until(() => processes().length === 1, "a process");
    await engine.close();
    await speaking;
    await assert.rejects(say(engine, "mbili", "sw"), refused("failed"));
  });

  it("ends with its parent, also by SIGKILL", async () => {
    const program = new URL("./speaking-process.ts", import.meta.url).pathname;
    const parent = spawn(process.execPath, [program], { stdio: ["ignore", "pipe", "inherit"] });
    await once(parent.stdout, "data");
    const [pid] = processesOf(parent.pid!, "espeak-process");
    assert.ok(pid !== undefined);
    parent.kill("SIGKILL");
    await eventually("the end of the speech process", () => (isRunning(pid) ? undefined : true));
  });

  it("is named after the version of its package that we ship", async () => {
    const text = await readFile(new URL("../../../package.json", import.meta.url), "utf8");
    const { dependencies } = JSON.parse(text) as { dependencies: Record<string, string> };
    assert.ok(open().version.startsWith(`${dependencies["@echogarden/espeak-ng-emscripten"]}-`));
  });
});

function joined(wav: Uint8Array) {
  const pieces = [...wavSource(wav)];
  const mono = Float32Array.from(pieces.flatMap((piece) => [...piece.mono]));
  return pieces.slice(0, 1).map(({ sampleRate }) => ({ sampleRate, mono }));
}

/** By autocorrelation of the loudest tenth of a second at 22,050 Hz, with what makes out the vowel filtered off. */
function pitchHz(mono: Float32Array): number {
  const size = 2205;
  const energy = (at: number) => rms(mono.subarray(at, at + size));
  let start = 0;
  for (let at = 0; at + 2 * size < mono.length; at += size / 5) if (energy(at) > energy(start)) start = at;
  const low = smooth(smooth(mono.subarray(start, start + 2 * size)));
  const lags = Array.from({ length: 300 }, (_, index) => 70 + index);
  const likeness = (lag: number) => {
    let sum = 0;
    for (let at = 0; at < size; at++) sum += low[at]! * low[at + lag]!;
    return sum;
  };
  return 22_050 / lags.reduce((best, lag) => (likeness(lag) > 1.1 * likeness(best) ? lag : best));
}

const smooth = (samples: Float32Array) =>
  samples.map((_, at) => samples.subarray(at, at + 64).reduce((sum, sample) => sum + sample, 0));
