import assert from "node:assert/strict";
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock, type Clock } from "../../../engine/clock.ts";
import { CommandEngine } from "../../../engine/media/speech/command-engine.ts";
import { SpeechError, type SpeechFault } from "../../../engine/media/speech/speech-engine.ts";
import { isRunning } from "../../peers/processes.ts";
import { eventually } from "../../peers/waiting.ts";
import { ManualClock } from "../../webhooks/manual-clock.ts";
import { until } from "../../webhooks/until.ts";

describe("speech: an engine by configuration", () => {
  let folder: string;
  const engines: CommandEngine[] = [];
  /** A program of the operator's: what it does is shell, what it is given is not. */
  const open = async (script: string, options: { args?: string[]; clock?: Clock; name?: string } = {}) => {
    const program = join(folder, options.name ?? "speak");
    await writeFile(program, `#!/bin/sh\n${script}\n`);
    await chmod(program, 0o700);
    const env = { PATH: process.env["PATH"] ?? "", SPEECH_KEY: "of the engine's own" };
    const command = { program, args: options.args ?? [], env };
    const engine = new CommandEngine({ command, clock: options.clock ?? systemClock });
    engines.push(engine);
    return engine;
  };
  const say = (engine: CommandEngine, text: string, signal = new AbortController().signal) =>
    engine.render({ text, language: "sw-KE", voice: "man" }, signal);
  const refused = (code: SpeechFault) => (error: unknown) =>
    error instanceof SpeechError && error.code === code;
  const pidIn = (name: string) =>
    eventually(
      `a process id in ${name}`,
      async () => Number(await readFile(join(folder, name), "utf8")) || undefined,
    );
  const gone = (pid: number) => eventually(`the end of ${pid}`, () => (isRunning(pid) ? undefined : true));

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "sautikit-speech-"));
  });
  afterEach(async () => {
    for (const engine of engines.splice(0)) await engine.close();
    await rm(folder, { recursive: true });
  });

  it("is given the text on its input, language and voice in its environment, and its fixed arguments", async () => {
    const engine = await open('printf "%s|" "$@" "$SPEECH_LANGUAGE" "$SPEECH_VOICE" "$SPEECH_KEY"; cat', {
      args: ["--pace", "$HOME;reboot"],
    });
    const text = 'Nambari yako ni 4821\n$(touch hapa) "`--voice';
    assert.equal(
      Buffer.from(await say(engine, text)).toString(),
      `--pace|$HOME;reboot|sw-KE|man|of the engine's own|${text}`,
    );
  });

  it("sees nothing of our environment but what it is given", async () => {
    process.env["WANJIRUS_SECRET"] = "mfalme";
    try {
      const environment = Buffer.from(await say(await open("env"), "Habari")).toString();
      assert.doesNotMatch(environment, /mfalme/);
      assert.match(environment, /SPEECH_LANGUAGE=sw-KE/);
    } finally {
      delete process.env["WANJIRUS_SECRET"];
    }
  });

  it("need not read the text", async () => {
    const engine = await open("printf RIFF");
    assert.equal(Buffer.from(await say(engine, "a".repeat(3000))).toString(), "RIFF");
  });

  for (const [what, script, code] of [
    ["ends with 3", "exit 3", "unsupported_language"],
    ["ends with 1, whatever it wrote", "printf RIFF; exit 1", "failed"],
    ["is killed", "kill -9 $$", "failed"],
    ["never ends its output", "yes", "too_long"],
  ] satisfies [string, string, SpeechFault][]) {
    it(`that ${what} is told as ${code}`, async () => {
      await assert.rejects(say(await open(script), "Habari"), refused(code));
    });
  }

  it("that is not there, or may not be run, is told as failed", async () => {
    const engine = await open("cat");
    await chmod(join(folder, "speak"), 0o600);
    await assert.rejects(say(engine, "Habari"), refused("failed"));
    await rm(join(folder, "speak"));
    await assert.rejects(say(engine, "Habari"), refused("failed"));
  });

  it("that hangs is killed when its time is up, with all that it started", async () => {
    const clock = new ManualClock();
    const engine = await open(`sleep 600 & echo $! > ${folder}/pid; wait`, { clock });
    const hanging = assert.rejects(say(engine, "Habari"), refused("timed_out"));
    const pid = await pidIn("pid");
    clock.advanceTo(clock.nowMs() + 10_000);
    await hanging;
    await gone(pid);
    assert.equal(clock.pending, 0);
  });

  it("is killed when nobody waits for it any more, and when we end", async () => {
    const engine = await open(`echo $$ > ${folder}/$(cat); sleep 600`);
    const given = new AbortController();
    const first = assert.rejects(say(engine, "first", given.signal), refused("timed_out"));
    const second = assert.rejects(say(engine, "second"), refused("timed_out"));
    const pids = [await pidIn("first"), await pidIn("second")] as const;

    given.abort();
    await first;
    await gone(pids[0]);
    assert.ok(isRunning(pids[1]));

    await engine.close();
    await second;
    await gone(pids[1]);
  });

  it("speaks four texts at once, and lets the fifth wait", async () => {
    const engine = await open(`touch ${folder}/$$.begun; while [ ! -e ${folder}/go ]; do sleep 0.02; done`);
    const begun = async () => (await readdir(folder)).filter((name) => name.endsWith(".begun")).length;

    const spoken = [1, 2, 3, 4].map((number) => say(engine, `nambari ${number}`));
    await until(async () => (await begun()) === 4, "four");
    const given = new AbortController();
    const waiting = assert.rejects(say(engine, "nambari 5", given.signal), refused("timed_out"));
    given.abort();
    await waiting;
    spoken.push(say(engine, "nambari 6"));
    await writeFile(join(folder, "go"), "");
    await Promise.all(spoken);

    assert.equal(await begun(), 5, "the one that was given up never began");
  });

  it("has another version when its arguments or its program change", async () => {
    const versions = [
      (await open("cat")).version,
      (await open("cat", { args: ["--slow"] })).version,
      (await open("cat -u")).version,
      (await open("cat", { name: "speak2" })).version,
    ];
    assert.equal(new Set(versions).size, 4);
  });
});
