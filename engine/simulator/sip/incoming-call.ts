import type { AgentParts } from "./agent-parts.ts";
import type { IncomingSipCall } from "./call.ts";
import { Dialog } from "./dialog.ts";
import { type EndOptions, LiveCall } from "./live-call.ts";
import { type Address, responseTo, type SipRequest, textOf, userOf, parseUri } from "./message.ts";
import { readQ850, writeReason } from "./reason.ts";
import type { RemoteAudio } from "./sdp.ts";
import type { ServerTransaction } from "./transactions.ts";

/** A call placed to us: RFC 3261 §13.3, and §9.2 for the caller giving up. */
export class IncomingCall extends LiveCall implements IncomingSipCall {
  readonly toUser: string;
  readonly fromUser: string;
  readonly fromHost: string;
  readonly sourceHost: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly server: ServerTransaction;
  readonly #offer: RemoteAudio;
  /** Set when the call was ended between its 2xx and the ACK: no BYE may go out before (§15). */
  #acknowledged = false;
  #byeAfterAck: Readonly<Record<string, string>> | undefined;

  constructor(parts: AgentParts, server: ServerTransaction, offer: RemoteAudio, from: Address) {
    const { request } = server;
    super(parts, request.headers["call-id"], parts.ids.bytes(6).toString("hex"));
    this.server = server;
    this.#offer = offer;
    this.dialog = Dialog.ofCallee(request, this.localTag, from, parts);
    this.toUser = userOf(request.uri);
    this.fromUser = userOf(request.headers.from.uri);
    this.fromHost = parseUri(request.headers.from.uri)?.host ?? "";
    this.sourceHost = from.host;
    this.headers = textHeaders(request);
    parts.remember(this);
  }

  get isCancelled(): boolean {
    return this.state === "ended";
  }

  /** Binds the RTP socket; false when the host has none left. */
  async prepare(): Promise<boolean> {
    try {
      this.rtp = await this.parts.openRtp();
    } catch {
      this.reject(503);
      return false;
    }
    if (this.isCancelled) this.rtp.close();
    return !this.isCancelled;
  }

  ring(): void {
    if (!this.#unanswered) return;
    if (this.state === "calling") this.become("ringing", null);
    this.server.respond(
      responseTo(this.server.request, 180, {
        toTag: this.localTag,
        headers: { contact: [this.parts.contact] },
      }),
    );
  }

  earlyMedia(): void {
    if (!this.#unanswered) return;
    this.agree(this.#offer);
    this.become("early", null);
    this.server.respond(this.responseWithSdp(this.server, 183, this.localSdp(this.#offer)));
  }

  answer(): void {
    if (!this.#unanswered) return;
    this.agree(this.#offer);
    this.become("answered", null);
    const response = this.responseWithSdp(this.server, 200, this.localSdp(this.#offer));
    this.answerUntilAck(this.server, response, false);
  }

  reject(status: number, reason?: string): void {
    this.end({ status, ...(reason === undefined ? {} : { reason }) });
  }

  end(options: EndOptions = {}): void {
    if (this.state === "ended") return;
    const q850 = options.q850 ?? null;
    if (this.state !== "answered") {
      const status = options.status ?? 480;
      this.#refuse(status, writeReason(options));
      this.finish({ by: "us", status, q850 });
      return this.forget();
    }
    if (!this.awaitsAck) return this.hangUp(options);
    this.#byeAfterAck = writeReason(options);
    this.finish({ by: "us", status: null, q850 });
  }

  /** A CANCEL of our INVITE; of no effect on an answered call (§9.2). */
  cancelled(request: SipRequest): void {
    if (!this.#unanswered) return;
    this.#refuse(487, {});
    this.finish({ by: "them", status: 487, q850: readQ850(request.headers.reason) });
    this.forget();
  }

  protected override onAck(): void {
    if (this.#byeAfterAck) this.sendBye(this.#byeAfterAck);
    else if (!this.#acknowledged) this.become("answered", "answered");
    this.#acknowledged = true;
  }

  /** A BYE may end an early dialog too (§15); the INVITE is then still owed its 487. */
  protected override receiveBye(request: SipRequest): void {
    if (this.#unanswered) this.cancelled(request);
    else super.receiveBye(request);
  }

  get #unanswered(): boolean {
    return this.state !== "answered" && this.state !== "ended";
  }

  #refuse(status: number, headers: Readonly<Record<string, string>>): void {
    this.server.respond(responseTo(this.server.request, status, { toTag: this.localTag, headers }));
  }
}

/** Those the parser left as text; names in lower case. */
function textHeaders(request: SipRequest): Record<string, string> {
  const texts = Object.entries(request.headers).filter(([, value]) => typeof value === "string");
  return Object.fromEntries(texts.map(([name, value]) => [name, textOf(value)]));
}
