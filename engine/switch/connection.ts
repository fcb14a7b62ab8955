import { connect, type Socket } from "node:net";
import ipaddr from "ipaddr.js";
import type { Clock, Timer } from "../clock.ts";
import { SautikitError } from "../errors.ts";
import {
  encodeCommand,
  eventFields,
  FrameReader,
  ProtocolError,
  type Command,
  type Fields,
  type Frame,
} from "./codec.ts";

/** Why a connection ended, where it was we who ended it. */
export const stoppedReason = "stopped";

export interface ConnectionOptions {
  host: string;
  port: number;
  password: string;
  clock: Clock;
  /** From the first SYN to the accepted password. */
  connectTimeoutMs: number;
  commandTimeoutMs: number;
  /** Each event, in the order received; undefined for one that cannot be read. */
  onEvent?: (fields: Fields | undefined) => void;
  /** Gives the attempt up. */
  signal?: AbortSignal;
}

/** A command sent and not yet answered. It stays in its place when its sender has given up, and swallows the reply. */
interface Slot {
  settle: ((reply: string | SautikitError) => void) | undefined;
  timer: Timer;
}

/** How many command time-outs a reply may be late before the connection counts as dead. */
const lateTimeoutsMax = 3;

/** One authenticated connection to the switch's event socket. Replies come in the order of the commands. */
export class Connection {
  readonly #options: ConnectionOptions;
  readonly #socket: Socket;
  readonly #reader = new FrameReader("switch");
  readonly #slots: Slot[] = [];
  readonly #closed = Promise.withResolvers<string>();
  #closedBecause: string | undefined;
  #onAuthRequest: (() => void) | undefined;

  /**
   * Connects and logs in. Rejects with `switch.unavailable`. Throws RangeError at once on a password that is empty or
   * the one that every FreeSWITCH starts with.
   */
  static async open(options: ConnectionOptions): Promise<Connection> {
    checkPassword(options.password);
    const connection = new Connection(options);
    const timer = options.clock.after(options.connectTimeoutMs, () => {
      connection.close(`not connected within ${options.connectTimeoutMs} ms`);
    });
    const abort = () => connection.close(stoppedReason);
    if (options.signal?.aborted === true) abort();
    options.signal?.addEventListener("abort", abort);
    try {
      await connection.#logIn();
      return connection;
    } finally {
      timer.cancel();
      options.signal?.removeEventListener("abort", abort);
    }
  }

  private constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#socket = connect({ host: options.host, port: options.port, noDelay: true });
    this.#socket.on("data", (chunk) => this.#onData(chunk));
    this.#socket.on("error", (error) => this.close(error.message));
    this.#socket.on("close", () => this.close("the switch closed the connection"));
  }

  /** Settles when the connection is over, with the reason. */
  get closed(): Promise<string> {
    return this.#closed.promise;
  }

  /** The addresses at its two ends; null once it is over. */
  get ends(): { ours: string; its: string } | null {
    const { localAddress: ours, remoteAddress: its } = this.#socket;
    return ours === undefined || its === undefined ? null : { ours, its };
  }

  /** Commands sent and not answered. */
  get pending(): number {
    return this.#slots.length;
  }

  /**
   * Resolves with the switch's reply: the text of `Reply-Text`, or an api's output without its last line break.
   * Rejects with `switch.unavailable` if nothing was sent, and `switch.unknown_outcome` if the reply did not come in
   * time or the connection ended before it.
   */
  send(command: Command, timeoutMs = this.#options.commandTimeoutMs): Promise<string> {
    const bytes = encodeCommand(command);
    if (this.#closedBecause !== undefined) return Promise.reject(unavailable(this.#closedBecause));
    return new Promise((resolve, reject) => {
      const slot: Slot = {
        settle: (reply) => (typeof reply === "string" ? resolve(reply) : reject(reply)),
        timer: this.#options.clock.after(timeoutMs, () => this.#onTimeout(slot, timeoutMs)),
      };
      this.#slots.push(slot);
      this.#socket.write(bytes);
    });
  }

  /** Ends the connection; whatever waits is rejected. A second call does nothing. */
  close(reason: string): void {
    if (this.#closedBecause !== undefined) return;
    this.#closedBecause = reason;
    // What was given up must not be run later: a reset takes with it what has not arrived, where a close would send it on.
    const givenUp = this.#slots.length > 0 && reason !== stoppedReason && !this.#socket.connecting;
    if (givenUp) this.#socket.resetAndDestroy();
    else this.#socket.destroy();
    for (const slot of this.#slots.splice(0)) {
      slot.timer.cancel();
      slot.settle?.(unknownOutcome(reason));
    }
    this.#closed.resolve(reason);
  }

  async #logIn(): Promise<void> {
    const greeting = new Promise<void>((resolve) => (this.#onAuthRequest = resolve));
    await Promise.race([greeting, this.closed]);
    if (this.#closedBecause !== undefined) throw unavailable(this.#closedBecause);
    const { remoteAddress } = this.#socket;
    if (!isPrivate(remoteAddress)) {
      this.close("not a private address");
      throw unavailable(
        `${String(remoteAddress)} is a public address: the password would travel in the clear`,
      );
    }
    const reply = await this.send({ line: `auth ${this.#options.password}` }).catch((error: unknown) => {
      throw unavailable(this.#closedBecause ?? "no reply to the password", error);
    });
    if (reply.startsWith("+OK")) return;
    this.close("the switch refused the password");
    throw unavailable("the switch refused the password");
  }

  #onTimeout(slot: Slot, timeoutMs: number): void {
    slot.settle?.(unknownOutcome(`no reply within ${timeoutMs} ms`));
    slot.settle = undefined;
    const patienceMs = this.#options.commandTimeoutMs * lateTimeoutsMax;
    slot.timer = this.#options.clock.after(patienceMs, () => this.close("a reply is overdue"));
  }

  #onData(chunk: Buffer): void {
    try {
      this.#reader.push(chunk, (frame) => this.#onFrame(frame));
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.close(`protocol error: ${error.message}`);
    }
  }

  #onFrame(frame: Frame): void {
    // What still comes after the end is nobody's.
    if (this.#closedBecause !== undefined) return;
    switch (frame.headers.get("content-type")) {
      case "text/event-json":
      case "text/event-plain":
        return this.#options.onEvent?.(eventFields(frame));
      case "command/reply":
        return this.#onReply(frame.headers.get("reply-text") ?? "");
      case "api/response":
        return this.#onReply(frame.body.toString("utf8").trimEnd());
      case "auth/request":
        return this.#onAuthRequest?.();
      case "text/disconnect-notice":
        return this.close("the switch ended the connection");
      case "text/rude-rejection":
        return this.close("the switch's access list refuses this address");
      default:
      // Log lines and the like, which we never ask for.
    }
  }

  #onReply(text: string): void {
    const slot = this.#slots.shift();
    if (slot === undefined) return this.close("protocol error: a reply to nothing");
    slot.timer.cancel();
    slot.settle?.(text);
  }
}

/** Throws RangeError on a password that protects nothing. */
export function checkPassword(password: string): void {
  if (password === "" || password === "ClueCon") {
    throw new RangeError(
      "The event socket's password is empty or FreeSWITCH's default: set one of your own.",
    );
  }
  encodeCommand({ line: `auth ${password}` });
}

/** ESL has no encryption, so only networks that are the operator's own will do. */
const ownNetworks = ["loopback", "private", "linkLocal", "uniqueLocal", "carrierGradeNat"];

function isPrivate(address: string | undefined): boolean {
  return address !== undefined && ownNetworks.includes(ipaddr.process(address).range());
}

const unavailable = (reason: string, cause?: unknown) =>
  new SautikitError("switch.unavailable", `The media server cannot be reached: ${reason}.`, {
    retryAfterSeconds: 5,
    cause,
  });

const unknownOutcome = (reason: string) =>
  new SautikitError("switch.unknown_outcome", `The media server did not answer: ${reason}.`);
