import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { host, within } from "./agents.ts";

/** A far end that says exactly what a test tells it to, over its own UDP socket. */
export class RawPeer {
  readonly port: number;
  readonly received: string[] = [];
  readonly #socket: Socket;
  readonly #waiting: { matches: (text: string) => boolean; take: (text: string) => void }[] = [];

  constructor(socket: Socket) {
    this.#socket = socket;
    this.port = socket.address().port;
    socket.on("message", (bytes) => this.#receive(bytes.toString()));
  }

  static async open(): Promise<RawPeer> {
    const socket = createSocket("udp4").bind(0, host);
    await once(socket, "listening");
    return new RawPeer(socket);
  }

  send(text: string | Uint8Array, port: number): void {
    this.#socket.send(text, port, host);
  }

  /** The first message that starts so, among those already here and those to come; each is taken once. */
  take(start: string): Promise<string> {
    const matches = (text: string): boolean => text.startsWith(start);
    const index = this.received.findIndex(matches);
    if (index >= 0) return Promise.resolve(this.received.splice(index, 1)[0]!);
    return within(`"${start}"`, new Promise((take) => this.#waiting.push({ matches, take })));
  }

  close(): void {
    this.#socket.close();
  }

  /** A request of Wanjiru's, in dialog when it has a To tag. */
  request(
    method: string,
    {
      to = "otieno",
      toTag = "",
      branch = "1",
      seq = 1,
      headers = "",
      body = "",
    }: {
      to?: string;
      toTag?: string;
      branch?: string;
      seq?: number;
      headers?: string;
      body?: string;
    } = {},
  ): string {
    return [
      `${method} sip:${to}@${host} SIP/2.0`,
      `Via: SIP/2.0/UDP ${host}:${this.port};branch=z9hG4bK-${branch};rport`,
      "Max-Forwards: 70",
      `From: <sip:wanjiru@${host}:${this.port}>;tag=w1`,
      `To: <sip:${to}@${host}>${toTag && `;tag=${toTag}`}`,
      `Call-ID: raw-${this.port}`,
      `CSeq: ${seq} ${method}`,
      `Contact: <sip:wanjiru@${host}:${this.port}>`,
      ...(headers ? [headers] : []),
      ...(body ? ["Content-Type: application/sdp"] : []),
      `Content-Length: ${body.length}`,
      "",
      body,
    ].join("\r\n");
  }

  #receive(text: string): void {
    const index = this.#waiting.findIndex(({ matches }) => matches(text));
    if (index >= 0) this.#waiting.splice(index, 1)[0]!.take(text);
    else this.received.push(text);
  }
}

export const offer = [
  "v=0",
  `o=- 1 1 IN IP4 ${host}`,
  "s=-",
  `c=IN IP4 ${host}`,
  "t=0 0",
  "m=audio 9 RTP/AVP 8 0 101",
  "a=rtpmap:101 telephone-event/8000",
  "",
].join("\r\n");

export const header = (message: string, name: string): string =>
  new RegExp(`^${name}: *(.*)$`, "im").exec(message)?.[1]?.trim() ?? "";

export const toTag = (message: string): string => /;tag=([^;\s]+)/.exec(header(message, "To"))?.[1] ?? "";

/** Passes datagrams between a caller and `port`, except those `loses` says are lost. */
export async function lossyPath(
  port: number,
  loses: (text: string) => boolean,
): Promise<{ port: number; close(): void }> {
  const socket = createSocket("udp4").bind(0, host);
  await once(socket, "listening");
  let callerPort = 0;
  socket.on("message", (bytes, from) => {
    if (from.port !== port) callerPort = from.port;
    if (!loses(bytes.toString())) socket.send(bytes, from.port === port ? callerPort : port, host);
  });
  return { port: socket.address().port, close: () => socket.close() };
}
