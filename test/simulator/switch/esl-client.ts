import { once } from "node:events";
import { connect, type Socket } from "node:net";

export type Headers = Record<string, string>;
export interface Frame {
  headers: Headers;
  body: string;
}

/** A raw ESL client of the tests: no library, so that what it sees is what was sent. */
export class EslClient {
  readonly socket: Socket;
  readonly events: Headers[] = [];
  readonly frames: Frame[] = [];
  #held = Buffer.alloc(0);
  #waiting: (() => void)[] = [];

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (chunk: Buffer) => {
      this.#held = Buffer.concat([this.#held, chunk]);
      this.#read();
    });
    socket.on("error", () => undefined);
  }

  /** Not logged in yet. */
  static async open(port: number): Promise<EslClient> {
    const socket = connect(port, "127.0.0.1");
    const client = new EslClient(socket);
    await once(socket, "connect");
    await client.frame();
    return client;
  }

  static async login(port: number, password: string, events = "ALL"): Promise<EslClient> {
    const client = await EslClient.open(port);
    await client.command(`auth ${password}`);
    await client.command(`event json ${events}`);
    return client;
  }

  send(text: string): void {
    this.socket.write(`${text}\n\n`);
  }

  async frame(): Promise<Frame> {
    await this.until(() => this.frames.length > 0, "a frame");
    return this.frames.shift()!;
  }

  async command(text: string): Promise<Frame> {
    this.send(text);
    return this.frame();
  }

  async api(line: string): Promise<string> {
    return (await this.command(`api ${line}`)).body;
  }

  async execute(uuid: string, name: string, argument: string, more: Headers = {}): Promise<string> {
    const lines = [
      `sendmsg ${uuid}`,
      "call-command: execute",
      `execute-app-name: ${name}`,
      `execute-app-arg: ${argument}`,
      ...Object.entries(more).map(([header, value]) => `${header}: ${value}`),
    ];
    return (await this.command(lines.join("\n"))).headers["Reply-Text"]!;
  }

  /** The first event of that name (and channel), past or to come. */
  async event(name: string, match: Headers | string = {}): Promise<Headers> {
    const wanted = typeof match === "string" ? { "Unique-ID": match } : match;
    const find = () =>
      this.events.find(
        (event) =>
          event["Event-Name"] === name &&
          Object.entries(wanted).every(([header, value]) => event[header] === value),
      );
    await this.until(() => find() !== undefined, `${name} ${JSON.stringify(wanted)}`);
    return find()!;
  }

  async until(condition: () => boolean, what: string, withinMs = 5000): Promise<void> {
    const timeout = AbortSignal.timeout(withinMs);
    while (!condition()) {
      if (timeout.aborted) {
        const seen = this.events.map((event) => `${event["Event-Name"]} ${event["Unique-ID"] ?? ""}`);
        throw new Error(`Waited in vain for ${what}; seen:\n${seen.join("\n")}`);
      }
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
        timeout.addEventListener("abort", () => resolve(), { once: true });
      });
    }
  }

  close(): void {
    this.socket.destroy();
  }

  #read(): void {
    for (;;) {
      const end = this.#held.indexOf("\n\n");
      if (end < 0) break;
      const headers = headersOf(this.#held.toString("utf8", 0, end));
      const length = Number(headers["Content-Length"] ?? 0);
      if (this.#held.length < end + 2 + length) break;
      const body = this.#held.toString("utf8", end + 2, end + 2 + length);
      this.#held = this.#held.subarray(end + 2 + length);
      if (headers["Content-Type"] === "text/event-json") this.events.push(JSON.parse(body));
      else this.frames.push({ headers, body });
    }
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

export const headersOf = (text: string): Headers =>
  Object.fromEntries(
    text.split("\n").map((line): [string, string] => {
      const colon = line.indexOf(": ");
      return [line.slice(0, colon), line.slice(colon + 2)];
    }),
  );
