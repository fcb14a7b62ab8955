import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";

/**
 * HTTP as a customer's program speaks it, but at a fraction of the cost of node:http, because the customer runs on the
 * cores that are being measured. Both read what Sautikit writes, which has a Content-Length, and nothing else.
 */

interface Message {
  startLine: string;
  body: string;
}

/** Cuts whole messages from what arrives. */
class MessageReader {
  #text = "";

  *push(chunk: Buffer): Generator<Message> {
    this.#text += chunk.toString("latin1");
    for (;;) {
      const headEnd = this.#text.indexOf("\r\n\r\n");
      if (headEnd === -1) return;
      const head = this.#text.slice(0, headEnd);
      const end = headEnd + 4 + Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
      if (this.#text.length < end) return;
      yield {
        startLine: head.slice(0, head.indexOf("\r\n")),
        body: Buffer.from(this.#text.slice(headEnd + 4, end), "latin1").toString("utf8"),
      };
      this.#text = this.#text.slice(end);
    }
  }
}

/** Posts JSON on connections that are kept. */
export class PlainClient {
  readonly #to: { host: string; port: number };
  readonly #headers: string;
  readonly #idle: Connection[] = [];
  readonly #open = new Set<Connection>();

  constructor(to: { host: string; port: number }, headers: Record<string, string>) {
    this.#to = to;
    const all = { host: `${to.host}:${to.port}`, "content-type": "application/json", ...headers };
    this.#headers = Object.entries(all)
      .map(([name, value]) => `${name}: ${value}\r\n`)
      .join("");
  }

  /** The parsed answer; throws on any status that is not a success. */
  async post(path: string, body: object): Promise<Record<string, unknown>> {
    const connection = this.#idle.pop() ?? this.#connect();
    const text = JSON.stringify(body);
    const length = Buffer.byteLength(text);
    const { startLine, body: answer } = await connection.exchange(
      `POST ${path} HTTP/1.1\r\n${this.#headers}content-length: ${length}\r\n\r\n${text}`,
    );
    this.#idle.push(connection);
    if (!/^HTTP\/1\.1 2/.test(startLine)) throw new Error(`${path}: ${startLine}: ${answer}`);
    return JSON.parse(answer) as Record<string, unknown>;
  }

  close(): void {
    for (const connection of this.#open) connection.close();
  }

  #connect(): Connection {
    const connection = new Connection(connect({ ...this.#to, noDelay: true }));
    this.#open.add(connection);
    return connection;
  }
}

class Connection {
  readonly #socket: Socket;
  #answer: PromiseWithResolvers<Message> | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    const reader = new MessageReader();
    socket.on("data", (chunk: Buffer) => {
      for (const message of reader.push(chunk)) this.#answer?.resolve(message);
    });
    socket.on("error", (error) => this.#answer?.reject(error));
    socket.on("close", () => this.#answer?.reject(new Error("The connection was closed.")));
  }

  exchange(request: string): Promise<Message> {
    this.#answer = Promise.withResolvers<Message>();
    this.#socket.write(request);
    return this.#answer.promise;
  }

  close(): void {
    this.#socket.destroy();
  }
}

const accepted = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nOK";

/** A customer's endpoint that takes every webhook and says so. */
export class PlainReceiver {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor() {
    this.#server = createServer((socket) => {
      this.#sockets.add(socket);
      const reader = new MessageReader();
      socket.on("data", (chunk: Buffer) => {
        if (!reader.push(chunk).next().done) socket.end(accepted);
      });
      socket.on("error", () => socket.destroy());
      socket.on("close", () => this.#sockets.delete(socket));
    });
  }

  static async open(): Promise<PlainReceiver> {
    const receiver = new PlainReceiver();
    receiver.#server.listen(0, "127.0.0.1");
    await once(receiver.#server, "listening");
    return receiver;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/events`;
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}
