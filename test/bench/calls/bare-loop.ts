import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { FrameReader, type Frame } from "../../../engine/switch/codec.ts";
import { switchEvents } from "../../../engine/switch/commands.ts";
import type { Client } from "./churn.ts";
import { commandsOf, type CallScript, type Moment } from "./script.ts";

/** As many for commands as the product has. */
const commandConnections = 3;

interface Address {
  host: string;
  port: number;
  password: string;
}

interface LiveCall {
  commands: CallScript;
  first: string;
  liveLegs: number;
  bridged: boolean;
  over: () => void;
}

/**
 * The least that a client can do: sends a call's commands one after the other, each once the one before is answered, and
 * goes on at the answer and at the bridge. Decides, stores and checks nothing.
 */
export class BareLoop implements Client {
  ended = 0;
  /** Calls that were not joined. */
  failed = 0;
  readonly #script: CallScript;
  readonly #lines: BareLine[];
  #events: BareLine | undefined;
  readonly #calls = new Map<string, LiveCall>();

  private constructor(script: CallScript, lines: BareLine[]) {
    this.#script = script;
    this.#lines = lines;
  }

  static async open(address: Address, script: CallScript): Promise<BareLoop> {
    const lines: BareLine[] = [];
    const loop = new BareLoop(script, lines);
    loop.#events = await BareLine.open(address, (body) => loop.#onEvent(body));
    await loop.#events.send(`event json ${switchEvents.join(" ")}`);
    for (let n = 0; n < commandConnections; n++) lines.push(await BareLine.open(address));
    return loop;
  }

  /** One call, from its first command to the end of both its legs. */
  async call(): Promise<void> {
    const { commands, legs } = commandsOf(this.#script);
    const over = Promise.withResolvers<undefined>();
    const call = {
      commands,
      first: legs[0],
      liveLegs: 2,
      bridged: false,
      over: () => over.resolve(undefined),
    };
    for (const leg of legs) this.#calls.set(leg, call);
    this.#run(call, "placed");
    await over.promise;
    this.ended++;
    if (!call.bridged) this.failed++;
  }

  close(): void {
    for (const line of [...this.#lines, this.#events]) line?.close();
  }

  #run(call: LiveCall, moment: Moment): void {
    void (async () => {
      for (const command of call.commands[moment]) await this.#send(command);
    })();
  }

  #send(command: string): Promise<string> {
    const [first, ...others] = this.#lines;
    assert.ok(first);
    return others.reduce((best, next) => (next.pending < best.pending ? next : best), first).send(command);
  }

  #onEvent(body: string): void {
    const leg = fieldOf(body, "Unique-ID");
    const call = this.#calls.get(leg);
    if (!call) return;
    switch (fieldOf(body, "Event-Name")) {
      case "CHANNEL_ANSWER":
        if (leg === call.first) this.#run(call, "answered");
        return;
      case "CHANNEL_BRIDGE":
        call.bridged = true;
        this.#run(call, "bridged");
        return;
      case "CHANNEL_HANGUP_COMPLETE":
        this.#calls.delete(leg);
        if (--call.liveLegs > 0) return;
        call.over();
        return;
    }
  }
}

/** Names are at the start of an event, so this is short; what it finds needs no unescaping. */
function fieldOf(body: string, name: string): string {
  const start = body.indexOf(`"${name}":"`);
  if (start === -1) return "";
  const from = start + name.length + 4;
  return body.slice(from, body.indexOf('"', from));
}

class BareLine {
  readonly #socket: Socket;
  readonly #waiting: ((reply: string) => void)[] = [];

  private constructor(socket: Socket, onEvent?: (body: string) => void) {
    this.#socket = socket;
    const reader = new FrameReader("switch");
    const onFrame = (frame: Frame) => {
      const kind = frame.headers.get("content-type");
      if (kind === "text/event-json") onEvent?.(frame.body.toString("latin1"));
      else if (kind === "command/reply") this.#waiting.shift()?.(frame.headers.get("reply-text") ?? "");
      else if (kind === "api/response") this.#waiting.shift()?.(frame.body.toString());
    };
    socket.on("data", (chunk: Buffer) => reader.push(chunk, onFrame));
  }

  static async open({ host, port, password }: Address, onEvent?: (body: string) => void): Promise<BareLine> {
    const socket = connect({ host, port, noDelay: true });
    await once(socket, "connect");
    const line = new BareLine(socket, onEvent);
    assert.match(await line.send(`auth ${password}`), /^\+OK/);
    return line;
  }

  get pending(): number {
    return this.#waiting.length;
  }

  send(command: string): Promise<string> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#socket.write(`${command}\n\n`);
    });
  }

  close(): void {
    this.#socket.destroy();
  }
}
