import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { once } from "node:events";

const host = "127.0.0.1";
/** Ends the Call-ID of the dialog on the way back, which would else be one with that on the way there. */
const back = "-back";

/**
 * A carrier whose network leads to the switch again: each call comes back to it as one for the number that it went to, as one
 * number of ours calls another of ours by way of the telephone network. It passes signalling on, in both dialogs; sound goes
 * from the switch to itself.
 */
export class TurningCarrier {
  readonly host = host;
  /** Where the switch takes the carrier's calls, once that is known. */
  switchPort = 0;
  readonly #socket: Socket;

  static async open(): Promise<TurningCarrier> {
    const socket = createSocket("udp4");
    socket.bind(0, host);
    await once(socket, "listening");
    return new TurningCarrier(socket);
  }

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("message", (message, from) => this.#turn(message.toString("latin1"), from));
  }

  get port(): number {
    return this.#socket.address().port;
  }

  close(): void {
    this.#socket.close();
  }

  #turn(message: string, from: RemoteInfo): void {
    if (from.port !== this.switchPort) return;
    const end = message.indexOf("\r\n\r\n");
    const [first = "", ...headers] = message.slice(0, end).split("\r\n");
    const isAnswer = first.startsWith("SIP/2.0 ");
    const turned = headers.map((line) => this.#header(line));
    if (isAnswer) {
      // Our own Via is the topmost.
      turned.splice(
        turned.findIndex((line) => /^(?:via|v)\s*:/i.test(line)),
        1,
      );
    } else {
      const [, branch = ""] =
        /branch=([^;,\s]+)/i.exec(headers.find((line) => /^(?:via|v)\s*:/i.test(line)) ?? "") ?? [];
      // Derived, so that a CANCEL, an ACK and a repetition have that of their INVITE.
      turned.unshift(`Via: SIP/2.0/UDP ${host}:${this.port};branch=${branch}${back}`);
    }
    const start = isAnswer ? first : first.replace(`${host}:${this.port}`, `${host}:${this.switchPort}`);
    this.#socket.send(
      Buffer.from([start, ...turned].join("\r\n") + message.slice(end), "latin1"),
      this.switchPort,
      host,
    );
  }

  #header(line: string): string {
    if (/^(?:call-id|i)\s*:/i.test(line))
      return line.endsWith(back) ? line.slice(0, -back.length) : line + back;
    // What follows in the dialog comes this way, too.
    if (/^(?:contact|m)\s*:/i.test(line))
      return line.replace(`${host}:${this.switchPort}`, `${host}:${this.port}`);
    return line;
  }
}
