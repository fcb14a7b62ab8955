import type { ApplicationQueue, Execute, RunningApplication } from "./application.ts";
import type { Channel } from "./channel.ts";
import { newUuid, tickMs, type Core } from "./core.ts";
import { applications } from "./applications.ts";
import { preAnswerCall } from "./channel-life.ts";
import { publishChannel } from "./channel-events.ts";
import { hangUp } from "./hang-up.ts";

interface Entry extends Execute {
  running: RunningApplication | null;
  whenDone?: () => void;
}

/** An application that took less is not repeated, however many loops were asked for. */
const repeatableMs = 500;

/** Of those running, the last started is on top. */
export class ApplicationRunner implements ApplicationQueue {
  readonly #core: Core;
  readonly #channel: Channel;
  readonly #waiting: Execute[] = [];
  readonly #stack: Entry[] = [];

  constructor(core: Core, channel: Channel) {
    this.#core = core;
    this.#channel = channel;
  }

  queue(name: string, argument: string, more: Partial<Execute> = {}): void {
    this.#waiting.push({ name, argument, uuid: newUuid(this.#core.ids), loops: 1, locked: false, ...more });
    this.#core.clock.after(tickMs, () => this.wake());
  }

  wake(): void {
    if (this.#channel.cause !== null || this.#waiting.length === 0) return;
    // What needs media has a caller hear it unanswered. What waits for a call of ours waits for its media.
    if (!this.#channel.media.attached) preAnswerCall(this.#core, this.#channel);
    if (!this.#channel.media.attached) return;
    for (;;) {
      const next = this.#waiting[0];
      if (next === undefined || this.#stack.some((entry) => entry.locked)) return;
      if (next.locked && this.#stack.length > 0) return;
      this.#waiting.shift();
      this.#start(next);
    }
  }

  runNow(name: string, argument: string, whenDone: () => void = () => undefined): void {
    this.#start({ name, argument, uuid: newUuid(this.#core.ids), loops: 1, locked: false, whenDone });
  }

  digit(digit: string): void {
    this.#stack.at(-1)?.running?.digit(digit);
  }

  break(all: boolean): void {
    if (all) this.#waiting.length = 0;
    for (const entry of this.#stack) entry.loops = 1;
    const entries = all ? [...this.#stack].reverse() : this.#stack.slice(-1);
    for (const entry of entries) entry.running?.stop("break");
  }

  end(why: "hangUp" | "bridge"): void {
    if (why === "hangUp") this.#waiting.length = 0;
    for (const entry of [...this.#stack].reverse()) {
      entry.loops = 1;
      entry.running?.stop(why);
    }
  }

  #start(execute: Omit<Entry, "running">): void {
    const application = applications[execute.name];
    if (application === undefined) return hangUp(this.#core, this.#channel, "DESTINATION_OUT_OF_ORDER");
    this.#stack.at(-1)?.running?.pause(true);
    const entry: Entry = { ...execute, running: null };
    this.#stack.push(entry);
    const startedMs = this.#core.clock.monotonicMs();
    this.#channel.setVariable("current_application", entry.name);
    this.#channel.setVariable("current_application_data", entry.argument);
    this.#channel.setVariable("current_application_response", "");
    publishChannel(this.#core, "CHANNEL_EXECUTE", this.#channel, headersOf(entry));
    entry.running = application(this.#core, this.#channel, entry.argument, (response) => {
      this.#done(entry, response, this.#core.clock.monotonicMs() - startedMs);
    });
  }

  #done(entry: Entry, response: string | null, tookMs: number): void {
    this.#stack.splice(this.#stack.indexOf(entry), 1);
    this.#channel.setVariable("current_application_response", response ?? "");
    publishChannel(this.#core, "CHANNEL_EXECUTE_COMPLETE", this.#channel, [
      ...headersOf(entry),
      ["Application-Response", response ?? "_none_"],
    ]);
    if (this.#channel.cause === null && entry.loops !== 1 && tookMs >= repeatableMs) {
      return this.#start({ ...entry, loops: entry.loops - 1 });
    }
    this.#stack.at(-1)?.running?.pause(false);
    entry.whenDone?.();
    this.wake();
  }
}

const headersOf = (entry: Entry): [string, string][] => [
  ["Application", entry.name],
  ...(entry.argument === "" ? [] : [["Application-Data", entry.argument] satisfies [string, string]]),
  ["Application-UUID", entry.uuid],
];
