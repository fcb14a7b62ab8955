import { createServer, type Server, type Socket } from "node:net";
import { setImmediate } from "node:timers/promises";
import { systemClock, type Clock } from "../../engine/clock.ts";
import type { Ids } from "../../engine/ids.ts";
import { systemIds } from "../../engine/ids.ts";
import type { Log } from "../../engine/log.ts";
import { FrameReader, type Frame } from "../../engine/switch/codec.ts";

export const password = "tumbili-9d2f";

/** A clock that a test moves by hand; timers fire in the order in which they are due. */
export class ManualClock implements Clock {
  #nowMs = 1_795_557_600_000;
  #timers: { atMs: number; fn: () => void }[] = [];
  /** Every delay slept so far. */
  readonly sleeps: number[] = [];

  nowMs = () => this.#nowMs;
  nowUs = () => this.#nowMs * 1000;
  steadyMs = () => this.#nowMs;
  monotonicMs = () => this.#nowMs;

  after(delayMs: number, fn: () => void) {
    const timer = { atMs: this.#nowMs + delayMs, fn };
    this.#timers.push(timer);
    return { cancel: () => void (this.#timers = this.#timers.filter((other) => other !== timer)) };
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    this.sleeps.push(delayMs);
    return new Promise((resolve, reject) => {
      const timer = this.after(delayMs, resolve);
      const abort = () => {
        timer.cancel();
        reject(new Error("aborted"));
      };
      if (signal?.aborted === true) abort();
      else signal?.addEventListener("abort", abort, { once: true });
    });
  }

  advance(ms: number): void {
    const untilMs = this.#nowMs + ms;
    for (;;) {
      const [due] = this.#timers.filter(({ atMs }) => atMs <= untilMs).sort((a, b) => a.atMs - b.atMs);
      if (due === undefined) break;
      this.#timers = this.#timers.filter((other) => other !== due);
      this.#nowMs = Math.max(this.#nowMs, due.atMs);
      due.fn();
    }
    this.#nowMs = untilMs;
  }
}

/** Resolves once `condition` holds; the sockets are real, so it takes some turns. Mocha's time-out ends it. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await setImmediate();
}

export const ids: Ids = systemIds(systemClock);

export const silentLog: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

export type Answer = (frame: Frame, peer: Peer) => void;

/** One client's connection, as the fake switch sees it. */
export class Peer {
  readonly frames: Frame[] = [];
  readonly socket: Socket;

  constructor(socket: Socket) {
    this.socket = socket;
  }

  get lines(): string[] {
    return this.frames.map(({ firstLine }) => firstLine);
  }

  reply(text: string): void {
    this.socket.write(`Content-Type: command/reply\nReply-Text: ${text}\n\n`);
  }

  result(text: string): void {
    this.socket.write(`Content-Type: api/response\nContent-Length: ${Buffer.byteLength(text)}\n\n${text}`);
  }

  event(fields: Record<string, string>): void {
    this.raw("text/event-json", Buffer.from(JSON.stringify(fields)));
  }

  raw(type: string, body: Buffer): void {
    this.socket.write(`Content-Length: ${body.length}\nContent-Type: ${type}\n\n`);
    this.socket.write(body);
  }
}

/** Speaks ESL as FreeSWITCH does, and answers as a test tells it to: late, never, or out of turn. */
export class FakeSwitch {
  readonly peers: Peer[] = [];
  answer: Answer;
  /** What it says to a new connection. */
  greeting = "Content-Type: auth/request\n\n";
  coreUuid = "core-1";
  /** Stays the same after the fake is stopped: nobody listens there then. */
  port = 0;
  readonly #server: Server;

  private constructor(answer: Answer) {
    this.answer = answer;
    this.#server = createServer((socket) => this.#accept(socket));
  }

  static async start(answer: Answer = () => {}): Promise<FakeSwitch> {
    const fake = new FakeSwitch(answer);
    await new Promise<void>((resolve) => fake.#server.listen(0, "127.0.0.1", resolve));
    const address = fake.#server.address();
    if (typeof address === "object" && address !== null) fake.port = address.port;
    return fake;
  }

  /** The peer that subscribed last. */
  get eventPeer(): Peer {
    return this.peers.findLast((peer) => peer.lines.some((line) => line.startsWith("event ")))!;
  }

  /** Commands of all connections but the log-in, the subscription and the heartbeat. */
  get commands(): Frame[] {
    return this.peers.flatMap(({ frames }) => frames.filter(({ firstLine }) => !routine.test(firstLine)));
  }

  drop(): void {
    for (const { socket } of this.peers) socket.destroy();
  }

  async stop(): Promise<void> {
    this.drop();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #accept(socket: Socket): void {
    const peer = new Peer(socket);
    this.peers.push(peer);
    const reader = new FrameReader("client");
    socket.on("error", () => {});
    socket.on("data", (chunk) => {
      reader.push(chunk, (frame) => {
        peer.frames.push(frame);
        this.#serve(frame, peer);
      });
    });
    socket.write(this.greeting);
  }

  #serve(frame: Frame, peer: Peer): void {
    const line = frame.firstLine;
    if (line.startsWith("auth "))
      return peer.reply(line === `auth ${password}` ? "+OK accepted" : "-ERR invalid");
    if (line.startsWith("event json")) return peer.reply("+OK event listener enabled json");
    if (line === "api version") return peer.result("FreeSWITCH Version 1.11.4-release~64bit\n");
    if (line === "api global_getvar core_uuid") return peer.result(this.coreUuid);
    this.answer(frame, peer);
  }
}

const routine = /^(auth |event |api version$|api global_getvar core_uuid$)/;
