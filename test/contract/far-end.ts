import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { eventually } from "../peers/waiting.ts";

const host = "127.0.0.1";

/** An offer or answer of PCMU on a port where nobody listens. */
export const sdp = [
  ...["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "c=IN IP4 127.0.0.1", "t=0 0"],
  ...["m=audio 40000 RTP/AVP 0", ""],
].join("\r\n");

/** A SIP peer that speaks no more than these tests want. Text goes out as it stands, a byte a character. */
export class FarEnd {
  static readonly host = host;
  /** Told of each INVITE once. */
  onInvite: (invite: string) => void = () => undefined;
  readonly #socket: Socket;
  readonly #calls = new Map<string, string>();
  #dialog = "";
  #referred: string | undefined;

  static async open(): Promise<FarEnd> {
    const socket = createSocket("udp4").bind(0, host);
    await once(socket, "listening");
    return new FarEnd(socket);
  }

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("message", (bytes) => this.#take(bytes.toString("latin1")));
  }

  get port(): number {
    return this.#socket.address().port;
  }

  /** Whom the calls that reached it were for. */
  get users(): string[] {
    return [...this.#calls.values()];
  }

  /** How many calls reached it. */
  get invites(): number {
    return this.#calls.size;
  }

  /** `headers` stand before those that an answer needs: the first of two with one name counts. */
  answer(request: string, status: string, headers: string[] = [], body = ""): void {
    const to = headerOf(request, "To");
    const named = (name: string) => headers.some((line) => line.toLowerCase().startsWith(`${name}:`));
    const lines = [
      `SIP/2.0 ${status}`,
      ...headers,
      ...["Via", "From", "Call-ID", "CSeq"].map((name) => `${name}: ${headerOf(request, name)}`),
      ...(named("to") ? [] : [`To: ${to.includes("tag=") ? to : `${to};tag=far`}`]),
      ...(body === "" || named("content-type") ? [] : ["Content-Type: application/sdp"]),
      ...(named("content-length") ? [] : [`Content-Length: ${body.length}`]),
    ];
    this.send(`${lines.join("\r\n")}\r\n\r\n${body}`, viaPort(request));
  }

  /** A request within the dialog that the INVITE began and we answered. */
  inDialog(invite: string, method: string, sequence: number, headers: string[] = [], body = ""): void {
    const contact = /<(sip:[^>]+)>/.exec(headerOf(invite, "Contact"))?.[1] ?? "";
    const lines = [
      `${method} ${contact} SIP/2.0`,
      `Via: SIP/2.0/UDP ${host}:${this.port};branch=z9hG4bK-${method}-${sequence}-${headerOf(invite, "Call-ID")}`,
      "Max-Forwards: 70",
      `From: ${headerOf(invite, "To")};tag=far`,
      `To: ${headerOf(invite, "From")}`,
      `Call-ID: ${headerOf(invite, "Call-ID")}`,
      `CSeq: ${sequence} ${method}`,
      `Contact: <sip:otieno@${host}:${this.port}>`,
      ...headers,
      `Content-Length: ${body.length}`,
    ];
    this.send(`${lines.join("\r\n")}\r\n\r\n${body}`, Number(/:(\d+)/.exec(contact)?.[1] ?? 5060));
  }

  /** Within the dialog of the last INVITE; resolves to the final answer. */
  refer(target: string): Promise<string> {
    this.inDialog(this.#dialog, "REFER", 1, [`Refer-To: <${target}>`]);
    return eventually("the answer to REFER", () => this.#referred);
  }

  send(text: string, port: number): void {
    this.#socket.send(Buffer.from(text, "latin1"), port, host);
  }

  close(): void {
    this.#socket.close();
  }

  #take(message: string): void {
    if (message.startsWith("INVITE ")) {
      const callId = headerOf(message, "Call-ID");
      const seen = this.#calls.has(callId);
      if (/;tag=/.test(headerOf(message, "To"))) return this.answer(message, "488 Not Acceptable Here");
      this.#dialog = message;
      this.#calls.set(callId, /^INVITE sip:([^@]+)/.exec(message)?.[1] ?? "");
      if (!seen) this.onInvite(message);
    } else if (message.startsWith("CANCEL ")) {
      this.answer(message, "200 OK");
      this.answer(message.replace(/^(CSeq: *\d+ )CANCEL/im, "$1INVITE"), "487 Request Terminated");
    } else if (/^(?!ACK |SIP)[A-Z]+ /.test(message)) this.answer(message, "200 OK");
    else if (/^SIP\/2.0 [2-6]/.test(message) && / REFER\r\n/.test(message)) this.#referred ??= message;
  }
}

export const headerOf = (message: string, name: string): string =>
  new RegExp(`^${name}: *(.*)\\r$`, "im").exec(message)?.[1] ?? "";

const viaPort = (request: string): number => Number(/:(\d+)/.exec(headerOf(request, "Via"))?.[1] ?? 5060);
