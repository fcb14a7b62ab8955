import { fork, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Clock } from "../../clock.ts";
import { wavHeader } from "../convert.ts";
import type { SpeechSource } from "../media-source.ts";
import type { EspeakOrder, EspeakReply } from "./espeak-thread.ts";
import { SpeechError, type SpeechEngine } from "./speech-engine.ts";
import { Turns } from "./turns.ts";

/** The longest texts take two seconds, on a machine that is busy several times that. */
const textMsMax = 10_000;
const waitingMax = 64;

/**
 * The built-in engine: eSpeak NG out of npm, offline, with English and Swahili among its languages. One process, started
 * with the first text and again when it has died; it renders one text at a time.
 */
export class EspeakEngine implements SpeechEngine {
  readonly name = "espeak-ng-emscripten";
  /** The package's; after the dash, what we make of it: raise that when voices, pace or reading change. */
  readonly version = "0.3.5-1";
  readonly #clock: Clock;
  readonly #turns = new Turns({ atOnceMax: 1, waitingMax });
  #process: EspeakProcess | null = null;
  #closed = false;

  constructor({ clock }: { clock: Clock }) {
    this.#clock = clock;
  }

  render({ text, language, voice }: SpeechSource, signal: AbortSignal): Promise<Uint8Array> {
    return this.#turns.run(() => this.#render({ text, language, voice }), signal);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#process?.end();
  }

  async #render(order: EspeakOrder): Promise<Uint8Array> {
    const late = new AbortController();
    const timer = this.#clock.after(textMsMax, () => {
      late.abort();
      void this.#process?.end();
    });
    try {
      // What ended the process may have nothing to do with this text: once more, on a new one.
      for (let tries = 1; tries <= 2 && !late.signal.aborted; tries++) {
        const reply = await this.#running().ask(order);
        if (reply) return wavOf(reply);
      }
    } finally {
      timer.cancel();
    }
    if (late.signal.aborted)
      throw new SpeechError("timed_out", `The text was not rendered within ${textMsMax} ms.`);
    throw new SpeechError("failed", "The speech process ended twice over one text.");
  }

  #running(): EspeakProcess {
    if (this.#closed) throw new SpeechError("failed", "The speech engine is closed.");
    if (!this.#process?.runs) this.#process = new EspeakProcess();
    return this.#process;
  }
}

function wavOf(reply: EspeakReply): Uint8Array {
  if (reply.ok) return Buffer.concat([wavHeader(reply.pcm.length, reply.sampleRate), reply.pcm]);
  if (reply.code === "failed") throw new SpeechError("failed", `The speech process failed: ${reply.why}.`);
  throw new SpeechError(reply.code, `The speech engine refused the text: ${reply.code}.`);
}

const program = fileURLToPath(new URL("./espeak-process.ts", import.meta.url));

/** One life of the process. */
class EspeakProcess {
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  #runs = true;

  constructor() {
    this.#child = fork(program, [], {
      serialization: "advanced",
      // A Ctrl-C goes to the whole group of the terminal, while calls that are drained still speak.
      detached: true,
      // Nothing that an engine writes belongs in our log, lest it be a text; and none of our settings is its business.
      stdio: ["ignore", "ignore", "ignore", "ipc"],
      env: {},
      execArgv: [],
    });
    this.#ended = new Promise((resolve) => {
      const over = () => {
        this.#runs = false;
        resolve();
      };
      this.#child.once("exit", over);
      this.#child.once("error", over);
    });
  }

  get runs(): boolean {
    return this.#runs && this.#child.connected;
  }

  /** Null: the process ended first. */
  async ask(order: EspeakOrder): Promise<EspeakReply | null> {
    const replied = new Promise<EspeakReply>((resolve) => this.#child.once("message", resolve));
    this.#child.send(order, () => {
      // That it did not arrive is seen by the end of the process.
    });
    return Promise.race([replied, this.#ended.then(() => null)]);
  }

  async end(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#ended;
  }
}
