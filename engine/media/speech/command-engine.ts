import { spawn } from "node:child_process";
import { statSync } from "node:fs";
import type { Clock, Timer } from "../../clock.ts";
import type { SpeechSource } from "../media-source.ts";
import { SpeechError, type SpeechEngine } from "./speech-engine.ts";
import { Turns } from "./turns.ts";

export interface SpeechCommand {
  /** Absolute path. */
  program: string;
  args: readonly string[];
  /** All that it is given of the environment, beside its own two variables. */
  env: Readonly<Record<string, string>>;
}

const textMsMax = 10_000;
/** More than five minutes of 48 kHz in 16 bits. */
const audioBytesMax = 32 * 1024 * 1024;
/** An engine of the operator's may be a client of something that takes its time. */
const atOnceMax = 4;
const waitingMax = 64;
/** How the program says that it lacks a language; docs/speech.md. */
const unsupportedLanguageStatus = 3;

/** Another engine, by configuration: a program that reads a text from stdin and writes a WAV or MP3 to stdout. */
export class CommandEngine implements SpeechEngine {
  readonly name = "command";
  /** Of the command line, and of the program as it was when we started: an edited script is another engine. */
  readonly version: string;
  readonly #command: SpeechCommand;
  readonly #clock: Clock;
  readonly #turns = new Turns({ atOnceMax, waitingMax });
  readonly #closing = new AbortController();
  readonly #running = new Set<Promise<unknown>>();

  constructor({ command, clock }: { command: SpeechCommand; clock: Clock }) {
    this.#command = command;
    this.#clock = clock;
    const about = statSync(command.program, { throwIfNoEntry: false });
    this.version = JSON.stringify([command.program, ...command.args, about?.size, about?.mtimeMs]);
  }

  async render(speech: SpeechSource, signal: AbortSignal): Promise<Uint8Array> {
    const either = AbortSignal.any([signal, this.#closing.signal]);
    return this.#turns.run(() => {
      const running = this.#run(speech, either);
      this.#running.add(running);
      return running.finally(() => this.#running.delete(running));
    }, either);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.allSettled(this.#running);
  }

  async #run({ text, language, voice }: SpeechSource, signal: AbortSignal): Promise<Uint8Array> {
    const { program, args, env } = this.#command;
    const child = spawn(program, args, {
      // Its standard error is nobody's: it may hold the text.
      stdio: ["pipe", "pipe", "ignore"],
      env: { ...env, SPEECH_LANGUAGE: language, SPEECH_VOICE: voice },
      // A group of its own, so that a script ends with all that it started.
      detached: true,
    });
    let timer: Timer | undefined;
    let giveUp: (() => void) | undefined;
    return new Promise<Uint8Array>((resolve, reject) => {
      const end = (error: SpeechError) => {
        reject(error);
        child.stdout.destroy();
        endGroup(child.pid);
      };
      timer = this.#clock.after(textMsMax, () =>
        end(new SpeechError("timed_out", `SPEECH_COMMAND took longer than ${textMsMax} ms.`)),
      );
      giveUp = () => end(new SpeechError("timed_out", "Nobody waits for the text any more."));
      signal.addEventListener("abort", giveUp);
      const chunks: Buffer[] = [];
      let bytes = 0;
      child.stdout.on("data", (chunk: Buffer) => {
        chunks.push(chunk);
        if ((bytes += chunk.length) > audioBytesMax)
          end(new SpeechError("too_long", `SPEECH_COMMAND wrote more than ${audioBytesMax} bytes.`));
      });
      child.once("error", (cause) =>
        reject(new SpeechError("failed", "SPEECH_COMMAND could not be started.", { cause })),
      );
      child.once("close", (code, endedBy) => {
        if (code === 0) resolve(Buffer.concat(chunks));
        else reject(refusal(code, endedBy));
      });
      // It need not read the text to its end.
      child.stdin.on("error", () => undefined);
      child.stdin.end(text);
    }).finally(() => {
      timer?.cancel();
      if (giveUp) signal.removeEventListener("abort", giveUp);
    });
  }
}

const refusal = (code: number | null, endedBy: NodeJS.Signals | null) =>
  code === unsupportedLanguageStatus
    ? new SpeechError("unsupported_language", "SPEECH_COMMAND lacks the language.")
    : new SpeechError("failed", `SPEECH_COMMAND ended with ${code ?? endedBy ?? "nothing"}.`);

function endGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // All of it has ended.
  }
}
