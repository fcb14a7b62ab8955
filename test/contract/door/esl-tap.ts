import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";

/** Stands between `sautikit` and the switch's event socket, passes every byte on, and keeps what was commanded. */
export class EslTap {
  /** Each as it stood on the wire: its line, and its headers below. */
  readonly commands: string[] = [];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(target: { host: string; port: number }) {
    this.#server = createServer((client) => {
      const onward = connect(target);
      let rest = "";
      // As the switch reads it: a command ends at an empty line. None of ours has a body.
      client.on("data", (chunk) => {
        const commands = (rest + chunk.toString("latin1")).split("\n\n");
        rest = commands.pop() ?? "";
        this.commands.push(...commands);
      });
      client.pipe(onward).pipe(client);
      for (const socket of [client, onward]) {
        this.#sockets.add(socket);
        socket.on("error", () => undefined);
        socket.on("close", () => {
          this.#sockets.delete(socket);
          client.destroy();
          onward.destroy();
        });
      }
    });
  }

  static async open(target: { host: string; port: number }): Promise<EslTap> {
    const tap = new EslTap(target);
    tap.#server.listen(0, "127.0.0.1");
    await once(tap.#server, "listening");
    return tap;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}
