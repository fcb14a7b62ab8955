import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";

/** Another's SIP server: takes every call at once, and says what it is told to of where it is. UDP. */
export class OpenServer {
  /** As they came. */
  readonly requests: string[] = [];
  readonly host: string;
  /** What its answers say of it; default: the truth. */
  contact: string | null = null;
  readonly #socket: Socket;

  static async open(host: string): Promise<OpenServer> {
    const socket = createSocket("udp4");
    socket.bind(0, host);
    await once(socket, "listening");
    return new OpenServer(socket, host);
  }

  private constructor(socket: Socket, host: string) {
    this.#socket = socket;
    this.host = host;
    socket.on("message", (bytes, from) => {
      const text = bytes.toString("latin1");
      if (text.startsWith("SIP/2.0")) return;
      this.requests.push(text);
      if (!text.startsWith("ACK")) socket.send(this.#answer(text), from.port, from.address);
    });
  }

  get port(): number {
    return this.#socket.address().port;
  }

  get methods(): string[] {
    return this.requests.map((text) => text.split(" ", 1)[0] ?? "");
  }

  close(): void {
    this.#socket.close();
  }

  #answer(request: string): string {
    const headers = (name: string) =>
      [...request.matchAll(new RegExp(`^${name}:.*$`, "gim"))].map(([line]) => line.trim());
    const [to = ""] = headers("To");
    const invite = request.startsWith("INVITE");
    const sdp = invite
      ? `v=0\r\no=- 1 1 IN IP4 ${this.host}\r\ns=-\r\nc=IN IP4 ${this.host}\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n`
      : "";
    return [
      "SIP/2.0 200 OK",
      ...[...headers("Via"), ...headers("From"), to.includes(";tag=") ? to : `${to};tag=open`],
      ...[...headers("Call-ID"), ...headers("CSeq")],
      `Contact: <${this.contact ?? `sip:open@${this.host}:${this.port}`}>`,
      ...(invite ? ["Content-Type: application/sdp"] : []),
      `Content-Length: ${sdp.length}`,
      "",
      sdp,
    ].join("\r\n");
  }
}
