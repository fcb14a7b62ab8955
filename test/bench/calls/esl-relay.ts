import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { eventFields, FrameReader } from "../../../engine/switch/codec.ts";

/** What passed by, in the order in which it did. */
export type Passed = { kind: "command"; text: string } | { kind: "event"; name: string; leg: string };

/** Stands between a client and a switch's event socket, and notes every command and event. */
export class EslRelay {
  readonly passed: Passed[] = [];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(to: { host: string; port: number }) {
    this.#server = createServer((client) => this.#join(client, connect({ ...to, noDelay: true })));
  }

  static async open(to: { host: string; port: number }): Promise<EslRelay> {
    const relay = new EslRelay(to);
    relay.#server.listen(0, "127.0.0.1");
    await once(relay.#server, "listening");
    return relay;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #join(client: Socket, box: Socket): void {
    let text = "";
    client.on("data", (chunk) => {
      const commands = (text + chunk.toString()).split("\n\n");
      text = commands.pop() ?? "";
      for (const command of commands) this.passed.push({ kind: "command", text: command });
      box.write(chunk);
    });
    const reader = new FrameReader("switch");
    box.on("data", (chunk) => {
      reader.push(chunk, (frame) => {
        const fields = eventFields(frame);
        const name = fields?.("Event-Name");
        if (fields && name) this.passed.push({ kind: "event", name, leg: fields("Unique-ID") ?? "" });
      });
      client.write(chunk);
    });
    for (const [socket, other] of [
      [client, box],
      [box, client],
    ] as const) {
      this.#sockets.add(socket);
      socket.on("error", () => other.destroy());
      socket.on("close", () => other.destroy());
    }
  }
}
