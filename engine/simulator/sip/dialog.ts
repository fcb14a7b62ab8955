import {
  type Address,
  type NameAddr,
  parseUri,
  type RouteAddr,
  type SipRequest,
  type SipResponse,
} from "./message.ts";

interface DialogParts {
  callId: string;
  local: NameAddr;
  remote: NameAddr;
  remoteTarget: string | undefined;
  route: readonly RouteAddr[];
  localSeq: number;
  remoteSeq: number;
  /** Where the first message of the other side went or came from: used when its Contact is not readable. */
  fallback: Address;
  sticky: boolean;
  contact: NameAddr;
}

/** RFC 3261 §12: what both sides remember of each other between requests. */
export class Dialog {
  readonly callId: string;
  readonly local: NameAddr;
  readonly remote: NameAddr;
  readonly #route: readonly RouteAddr[];
  readonly #fallback: Address;
  readonly #contact: NameAddr;
  readonly #sticky: boolean;
  #remoteTarget: string;
  #localSeq: number;
  #remoteSeq: number;

  constructor(parts: DialogParts) {
    this.callId = parts.callId;
    this.local = parts.local;
    this.remote = parts.remote;
    this.#route = parts.route;
    this.#fallback = parts.fallback;
    this.#contact = parts.contact;
    this.#sticky = parts.sticky;
    this.#remoteTarget = parts.remoteTarget ?? parts.remote.uri;
    this.#localSeq = parts.localSeq;
    this.#remoteSeq = parts.remoteSeq;
  }

  /** §12.1.2: made by a response to our INVITE. */
  static ofCaller(
    invite: SipRequest,
    response: SipResponse,
    sentTo: Address,
    { contact, sticky }: Pick<DialogParts, "contact" | "sticky">,
  ): Dialog {
    return new Dialog({
      callId: invite.headers["call-id"],
      local: invite.headers.from,
      remote: response.headers.to,
      remoteTarget: response.headers.contact?.[0]?.uri,
      route: [...(response.headers["record-route"] ?? [])].reverse(),
      localSeq: invite.headers.cseq.seq,
      remoteSeq: 0,
      fallback: sentTo,
      ...{ sticky, contact },
    });
  }

  /** §12.1.1: made by our response, whose To carries our tag. */
  static ofCallee(
    invite: SipRequest,
    localTag: string,
    from: Address,
    { contact, sticky }: Pick<DialogParts, "contact" | "sticky">,
  ): Dialog {
    const { to } = invite.headers;
    return new Dialog({
      callId: invite.headers["call-id"],
      local: { ...to, params: { ...to.params, tag: localTag } },
      remote: invite.headers.from,
      remoteTarget: invite.headers.contact?.[0]?.uri,
      route: invite.headers["record-route"] ?? [],
      localSeq: 0,
      remoteSeq: invite.headers.cseq.seq,
      fallback: from,
      ...{ sticky, contact },
    });
  }

  get remoteTag(): string {
    return this.remote.params.tag ?? "";
  }

  /** §12.2.1.1; the Via is the transaction's. */
  request(method: string, extra: Readonly<Record<string, unknown>> = {}, content?: string): SipRequest {
    this.#localSeq += 1;
    return this.#build(method, this.#localSeq, extra, content);
  }

  /** The ACK of a 2xx carries the number of its INVITE (§13.2.2.4). */
  ack(inviteSeq: number): SipRequest {
    return this.#build("ACK", inviteSeq, {});
  }

  /** Where requests go: the first hop of the route, else the far end's Contact. */
  get nextHop(): Address {
    if (this.#sticky) return this.#fallback;
    const uri = parseUri(this.#route[0]?.uri ?? this.#remoteTarget);
    return uri ? { host: uri.host, port: uri.port || 5060 } : this.#fallback;
  }

  /** §12.2.2: false for a request older than one already seen. A newer INVITE may move the target. */
  accept(request: SipRequest): boolean {
    const { seq } = request.headers.cseq;
    if (seq < this.#remoteSeq) return false;
    this.#remoteSeq = seq;
    if (request.method === "INVITE") this.retarget(request);
    return true;
  }

  retarget(message: SipRequest | SipResponse): void {
    this.#remoteTarget = message.headers.contact?.[0]?.uri ?? this.#remoteTarget;
  }

  #build(
    method: string,
    seq: number,
    extra: Readonly<Record<string, unknown>>,
    content?: string,
  ): SipRequest {
    return {
      method,
      uri: this.#remoteTarget,
      headers: {
        via: [],
        "max-forwards": 70,
        ...(this.#route.length > 0 ? { route: [...this.#route] } : {}),
        from: this.local,
        to: this.remote,
        "call-id": this.callId,
        cseq: { seq, method },
        ...(method === "INVITE" ? { contact: [this.#contact] } : {}),
        "user-agent": "sautikit-simulator",
        ...extra,
      },
      ...(content === undefined ? {} : { content }),
    };
  }
}
