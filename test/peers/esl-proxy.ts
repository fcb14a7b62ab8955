import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";

/** One frame on its way: a command to the switch, or a reply or an event to `sautikit`. */
export interface Passing {
  readonly to: "switch" | "sautikit";
  readonly text: string;
  /** Which one of those that were opened. */
  readonly connection: number;
}

/**
 * `twice`: it comes once more; `late`: what is behind it goes first, for up to half a second; `instead`: another frame goes on in its
 * place, its end included.
 */
export type Verdict = "pass" | "drop" | "twice" | "late" | { instead: string };

/** A frame that waits at the proxy, and with it all that follows it on its connection in its direction. */
export interface Held {
  readonly text: string;
  let(verdict: Verdict): void;
}

const goodbye = "Disconnected, goodbye.\nSee you at ClueCon! http://www.cluecon.com/\n";

/**
 * The network between `sautikit` and the switch's event socket, frame by frame: it passes all on until it is told to
 * hold, drop, delay or cut.
 */
export class EslProxy {
  /** Asked of each frame, one after another on each connection in each direction. */
  rule: (passing: Passing) => Verdict | Promise<Verdict> = () => "pass";
  /** Told of each frame before it goes on, or does not. */
  judged: (passing: Passing, verdict: Verdict) => void = () => undefined;
  #opened = 0;
  readonly #target: { host: string; port: number };
  readonly #relays = new Set<Relay>();
  readonly #holds = new Set<(passing: Passing) => Promise<Verdict> | undefined>();
  #server: Server | undefined;
  #port = 0;

  private constructor(target: { host: string; port: number }) {
    this.#target = target;
  }

  static async open(target: { host: string; port: number }): Promise<EslProxy> {
    const proxy = new EslProxy(target);
    await proxy.admit();
    return proxy;
  }

  get port(): number {
    return this.#port;
  }

  /** Connections open to `sautikit`. */
  get size(): number {
    return [...this.#relays].filter((relay) => relay.isOpen).length;
  }

  /** Takes connections (again), where it always did. */
  async admit(): Promise<void> {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
      const connection = this.#opened++;
      const relay = new Relay(client, this.#target, (to, text) => this.#judge({ to, text, connection }));
      this.#relays.add(relay);
      void relay.closed.then(() => this.#relays.delete(relay));
    });
    server.listen(this.#port, "127.0.0.1");
    await once(server, "listening");
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  /** New connections are refused; those that are open stay. */
  refuse(): void {
    this.#server?.close();
  }

  /** Resets every connection, on both sides; what was on its way is lost. */
  cut(): void {
    for (const relay of this.#relays) relay.reset();
  }

  /** Every connection ends as where the switch itself drops a listener: with a farewell. */
  farewell(): void {
    for (const relay of this.#relays) relay.farewell();
  }

  /** Resolves when such a frame comes, and holds it. */
  hold(when: (passing: Passing) => boolean, withinMs = 20_000): Promise<Held> {
    const caught = Promise.withResolvers<Held>();
    const look = (passing: Passing) => {
      if (!when(passing)) return undefined;
      forget();
      const verdict = Promise.withResolvers<Verdict>();
      caught.resolve({ text: passing.text, let: verdict.resolve });
      return verdict.promise;
    };
    const timer = setTimeout(() => {
      forget();
      caught.reject(new Error(`The frame did not come within ${withinMs} ms.`));
    }, withinMs);
    const forget = () => {
      clearTimeout(timer);
      this.#holds.delete(look);
    };
    this.#holds.add(look);
    return caught.promise;
  }

  async close(): Promise<void> {
    this.refuse();
    this.cut();
    if (this.#server?.listening) await once(this.#server, "close");
  }

  async #judge(passing: Passing): Promise<Verdict> {
    const verdict = await (this.#heldAt(passing) ?? this.rule(passing));
    this.judged(passing, verdict);
    return verdict;
  }

  #heldAt(passing: Passing): Promise<Verdict> | undefined {
    for (const look of this.#holds) {
      const held = look(passing);
      if (held) return held;
    }
    return undefined;
  }
}

/** One connection of `sautikit` and the one to the switch that stands for it. */
class Relay {
  /** Both of them: one whose end waits behind a frame that is held is still to be reset. */
  readonly closed: Promise<unknown>;
  readonly #client: Socket;
  readonly #switch: Socket;

  constructor(
    client: Socket,
    target: { host: string; port: number },
    judge: (to: Passing["to"], text: string) => Promise<Verdict>,
  ) {
    this.#client = client;
    this.#switch = connect({ ...target, noDelay: true, allowHalfOpen: true });
    this.closed = Promise.all(
      [client, this.#switch].map((socket) => new Promise((resolve) => socket.once("close", resolve))),
    );
    relay(client, this.#switch, (text) => judge("switch", text));
    relay(this.#switch, client, (text) => judge("sautikit", text));
  }

  get isOpen(): boolean {
    return !this.#client.closed;
  }

  reset(): void {
    this.#client.resetAndDestroy();
    this.#switch.resetAndDestroy();
  }

  farewell(): void {
    const head = `Content-Type: text/disconnect-notice\nContent-Length: ${goodbye.length}\n\n`;
    this.#client.end(head + goodbye);
    this.#switch.destroy();
  }
}

const lateMsMax = 500;
const lateMs = () => Math.random() * lateMsMax;

/** One direction. What was sent before the end still arrives; a reset takes with it what had not arrived. */
function relay(from: Socket, to: Socket, judge: (text: string) => Promise<Verdict>): void {
  let rest = Buffer.alloc(0);
  let turn = Promise.resolve();
  from.on("data", (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    for (let end = frameEnd(rest); end !== null; end = frameEnd(rest)) {
      const frame = rest.subarray(0, end);
      rest = rest.subarray(end);
      turn = turn.then(async () => {
        const verdict = await judge(frame.toString("utf8"));
        const send = () => {
          if (to.writable) to.write(typeof verdict === "object" ? verdict.instead : frame);
        };
        if (verdict === "late") setTimeout(send, lateMs()).unref();
        else if (verdict !== "drop") send();
        if (verdict === "twice") send();
      });
    }
  });
  from.on("end", () => void turn.then(() => to.end()));
  from.on("error", () => to.resetAndDestroy());
}

/** Where the first frame ends: after an empty line, and the body if it has one. */
function frameEnd(bytes: Buffer): number | null {
  const headEnd = bytes.indexOf("\n\n");
  if (headEnd < 0) return null;
  const [, length = "0"] = /^Content-Length: *(\d+)$/im.exec(bytes.toString("latin1", 0, headEnd)) ?? [];
  const end = headEnd + 2 + Number(length);
  return bytes.length >= end ? end : null;
}

/** A command of that kind that names that leg, number or other word of ours. */
export const command =
  (kind: RegExp, word: string) =>
  ({ to, text }: Passing): boolean =>
    to === "switch" && kind.test(text) && text.includes(word);

/** A command as it stood on the wire, its line and its headers below; null: it is none. */
export const commandIn = ({ to, text }: Passing): string | null =>
  to === "switch" ? text.slice(0, -"\n\n".length) : null;

/** The fields of an event; null: it is none. */
export function eventIn({ to, text }: Passing): Partial<Record<string, string>> | null {
  if (to !== "sautikit" || !text.includes("text/event-json")) return null;
  return JSON.parse(text.slice(text.indexOf("\n\n"))) as Record<string, string>;
}

/** An event of that name, of that leg or of the leg that dialled that number. */
export const eventOf =
  (name: string, of: string) =>
  (passing: Passing): boolean => {
    const fields = eventIn(passing);
    if (fields?.["Event-Name"] !== name) return false;
    return fields["Unique-ID"] === of || fields["Caller-Destination-Number"] === of;
  };
