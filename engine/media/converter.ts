import { Worker } from "node:worker_threads";
import type { Clock } from "../clock.ts";
import type { Converted, ConvertOrder, ConvertReply } from "./convert-worker.ts";
import { MediaError } from "./media-error.ts";

/** One at a time: it takes a core whole, and calls need the others. */
const threadsMax = 1;
const waitingMax = 64;
/** An hour of audio takes some ten seconds; a decoder that a crafted file made spin is ended. */
const timeoutMs = 60_000;
/** What a thread may hold besides audio: 10 MiB of file and pieces of the rest need far less. */
const heapMiBMax = 256;

const program = new URL("./convert-worker.ts", import.meta.url);

/** Converts in a thread of its own, so that the event loop never waits for a customer's audio. */
export class Converter {
  readonly #clock: Clock;
  readonly #secondsMax: number;
  readonly #workers = new Set<Worker>();
  readonly #waiting: (() => void)[] = [];
  #threads = 0;
  #closed = false;

  constructor({ clock, secondsMax }: { clock: Clock; secondsMax: number }) {
    this.#clock = clock;
    this.#secondsMax = secondsMax;
  }

  /** Writes `source` as a WAV to `file`, which must not be there yet. Throws MediaError. */
  convert(source: Uint8Array, file: string): Promise<Converted> {
    return this.#inTurn(source, file);
  }

  /** Converts `source` and keeps nothing of it: it could be played. Throws MediaError. */
  check(source: Uint8Array): Promise<Converted> {
    return this.#inTurn(source, null);
  }

  async #inTurn(source: Uint8Array, file: string | null): Promise<Converted> {
    await this.#turn();
    try {
      if (this.#closed) throw closed();
      const reply = await this.#inThread(source, file);
      if (!reply.ok) throw new MediaError(reply.code, reply.message);
      return reply;
    } finally {
      this.#threads--;
      this.#waiting.shift()?.();
    }
  }

  /** Ends what runs; what waits is refused. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#workers].map((worker) => worker.terminate()));
  }

  async #turn(): Promise<void> {
    if (this.#threads >= threadsMax) {
      if (this.#waiting.length >= waitingMax)
        throw new MediaError("busy", "Too many files wait to be converted.");
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    this.#threads++;
  }

  #inThread(source: Uint8Array, file: string | null): Promise<ConvertReply> {
    // A copy of its own, handed over: a Buffer may share its memory with others.
    const order: ConvertOrder = { source: new Uint8Array(source), file, secondsMax: this.#secondsMax };
    const worker = new Worker(program, {
      workerData: order,
      transferList: [order.source.buffer as ArrayBuffer],
      resourceLimits: { maxOldGenerationSizeMb: heapMiBMax },
      // The decoder writes a line for each bad frame: a customer must not fill our log.
      stdout: true,
      stderr: true,
    });
    worker.stdout.resume();
    worker.stderr.resume();
    this.#workers.add(worker);
    const timer = this.#clock.after(timeoutMs, () => void worker.terminate());
    return new Promise<ConvertReply>((resolve, reject) => {
      worker.once("message", resolve);
      worker.once("error", (cause) =>
        reject(new MediaError("failed", "The audio could not be converted.", { cause })),
      );
      worker.once("exit", () =>
        reject(this.#closed ? closed() : new MediaError("failed", `Not converted within ${timeoutMs} ms.`)),
      );
    }).finally(() => {
      timer.cancel();
      this.#workers.delete(worker);
    });
  }
}

const closed = () => new MediaError("failed", "The media library is closed.");
