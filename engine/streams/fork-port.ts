import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { frameSamples, pcmOf, bytesOf } from "./sound-format.ts";

const frameBytes = frameSamples * 2;

/** Our end of a leg's audio: a UDP port that hears the one port of the switch, and nobody else. */
export class ForkPort {
  readonly #socket: Socket;
  readonly #its: { host: string; port: number };
  #onFrame: ((pcm: Int16Array) => void) | null = null;
  readonly #first = Promise.withResolvers<undefined>();

  /** `host`: an address of ours. */
  static async open(host: string, its: { host: string; port: number }): Promise<ForkPort> {
    const socket = createSocket("udp4");
    socket.bind(0, host);
    await once(socket, "listening");
    return new ForkPort(socket, its);
  }

  private constructor(socket: Socket, its: { host: string; port: number }) {
    this.#socket = socket;
    this.#its = its;
    socket.on("error", () => undefined);
    socket.on("message", (bytes, from) => {
      if (from.port !== its.port || from.address !== its.host || bytes.length !== frameBytes) return;
      this.#first.resolve(undefined);
      this.#onFrame?.(pcmOf(bytes));
    });
  }

  get port(): number {
    return this.#socket.address().port;
  }

  /** Resolves when the switch has sent a frame. */
  get first(): Promise<undefined> {
    return this.#first.promise;
  }

  onFrame(listener: (pcm: Int16Array) => void): void {
    this.#onFrame = listener;
  }

  send(pcm: Int16Array): void {
    this.#socket.send(bytesOf(pcm), this.#its.port, this.#its.host, () => undefined);
  }

  close(): void {
    this.#onFrame = null;
    this.#socket.close();
  }
}
