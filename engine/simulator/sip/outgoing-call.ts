import type { Timer } from "../../clock.ts";
import type { AgentParts } from "./agent-parts.ts";
import type { OutgoingInvite } from "./call.ts";
import { Dialog } from "./dialog.ts";
import { answerChallenge } from "./digest.ts";
import { type EndOptions, LiveCall } from "./live-call.ts";
import { type Address, allowedMethods, headerText, type SipRequest, type SipResponse } from "./message.ts";
import { readQ850, writeReason } from "./reason.ts";
import { readSdp } from "./sdp.ts";
import type { ClientTransaction } from "./transactions.ts";

/** A call we place: RFC 3261 §13.2, and §9.1 for giving it up. */
export class OutgoingCall extends LiveCall {
  readonly #request: OutgoingInvite;
  readonly #to: Address;
  #invite: ClientTransaction | undefined;
  #provisional = false;
  #cancel: Readonly<Record<string, string>> | undefined;
  #cancelGiveUp: Timer | undefined;

  constructor(parts: AgentParts, request: OutgoingInvite) {
    super(parts, `${parts.ids.bytes(12).toString("hex")}@${parts.host}`, parts.ids.bytes(6).toString("hex"));
    this.#request = request;
    this.#to = { host: request.host, port: request.port };
    parts.remember(this);
    void this.#start();
  }

  end(options: EndOptions = {}): void {
    if (this.state === "ended") return;
    if (this.state === "answered") return this.hangUp(options);
    this.finish({ by: "us", status: 487, q850: options.q850 ?? null });
    this.#cancel = writeReason(options);
    if (!this.#invite) return this.forget();
    // §9.1: not before something has come back.
    if (this.#provisional) this.#sendCancel();
  }

  async #start(): Promise<void> {
    try {
      this.rtp = await this.parts.openRtp();
    } catch {
      this.finish({ by: "us", status: 503, q850: null });
      return this.forget();
    }
    if (this.state === "ended") return this.rtp.close();
    this.#send(this.#buildInvite(1));
  }

  #send(invite: SipRequest): void {
    this.#invite = this.parts.send(invite, this.#to, (response, local) => {
      if (response.status < 200) this.#onProvisional(response);
      else if (response.status < 300) this.#onAnswer(response);
      else if (!this.#logsIn(invite, response)) this.#onRefusal(response, local);
    });
  }

  /** RFC 3261 §22.2: asked for a login, it is asked again with it, once. */
  #logsIn(invite: SipRequest, response: SipResponse): boolean {
    const { login } = this.#request;
    const { seq } = invite.headers.cseq;
    if (login === undefined || seq > 1 || this.#cancel) return false;
    const headers = answerChallenge(invite, response, login, this.parts.ids.bytes(8).toString("hex"));
    if (headers === undefined) return false;
    const again = this.#buildInvite(seq + 1);
    Object.assign(again.headers, headers);
    this.#provisional = false;
    this.#send(again);
    return true;
  }

  #buildInvite(seq: number): SipRequest {
    const { user, host, port, fromUser, fromDisplay, headers } = this.#request;
    const { uri = `sip:${encodeUser(user)}@${host}:${port}` } = this.#request;
    const quoted = fromDisplay === undefined ? undefined : `"${fromDisplay.replace(/["\\]/g, "\\$&")}"`;
    return {
      method: "INVITE",
      uri,
      headers: {
        via: [],
        "max-forwards": 70,
        from: {
          name: quoted === undefined ? undefined : headerText(quoted),
          uri: `sip:${encodeUser(fromUser)}@${this.parts.host}:${this.parts.port}`,
          params: { tag: this.localTag },
        },
        to: { uri, params: {} },
        "call-id": this.callId,
        cseq: { seq, method: "INVITE" },
        contact: [this.parts.contact],
        allow: allowedMethods,
        "user-agent": "sautikit-simulator",
        "content-type": "application/sdp",
        ...headers,
      },
      content: this.localSdp(),
    };
  }

  #onProvisional(response: SipResponse): void {
    this.#provisional = true;
    if (this.#cancel) return this.#sendCancel();
    if (response.status === 100) return;
    const remote = response.content ? readSdp(response.content, this.parts.laws) : null;
    if (remote) {
      const first = this.media === null;
      this.agree(remote);
      if (first) this.become("early", "early", response.status);
    } else if (this.state === "calling" && response.status < 183) {
      this.become("ringing", "ringing", response.status);
    }
  }

  #onAnswer(response: SipResponse): void {
    const invite = this.#invite;
    if (!invite) return;
    const dialog = Dialog.ofCaller(invite.request, response, this.#to, this.parts);
    // Comes again until our ACK gets through.
    this.parts.acknowledge(dialog, invite.request.headers.cseq.seq);
    if (this.dialog?.remoteTag === dialog.remoteTag) return;
    if (this.dialog) return this.#refuseFork(dialog);
    this.dialog = dialog;
    this.#cancelGiveUp?.cancel();
    // §9.1: the answer overtook our CANCEL; it is ended as an answered call is.
    if (this.#cancel) return this.sendBye(this.#cancel);
    const remote = response.content ? readSdp(response.content, this.parts.laws) : (this.remote ?? null);
    if (!remote) {
      this.finish({ by: "us", status: 488, q850: null });
      return this.sendBye({});
    }
    this.agree(remote);
    this.become("answered", "answered");
  }

  /** §13.2.2.4: a second phone answered behind a forking proxy. */
  #refuseFork(dialog: Dialog): void {
    this.parts.send(dialog.request("BYE"), dialog.nextHop, () => undefined);
  }

  #onRefusal(response: SipResponse, local: boolean): void {
    this.#cancelGiveUp?.cancel();
    const by = local ? "us" : "them";
    this.finish({ by, status: response.status, q850: readQ850(response.headers.reason) });
    this.forget();
  }

  #sendCancel(): void {
    const invite = this.#invite;
    if (!invite || this.#cancelGiveUp) return;
    const { via, from, to, cseq, route } = invite.request.headers;
    const cancel: SipRequest = {
      method: "CANCEL",
      uri: invite.request.uri,
      headers: {
        via,
        "max-forwards": 70,
        ...(route ? { route } : {}),
        from,
        to,
        "call-id": this.callId,
        cseq: { seq: cseq.seq, method: "CANCEL" },
        ...this.#cancel,
      },
    };
    this.parts.send(cancel, this.#to, () => undefined);
    // §9.1: a far end that never says 487 is not waited for longer than this.
    this.#cancelGiveUp = this.parts.clock.after(this.parts.timers.giveUpMs, () => {
      invite.drop();
      this.forget();
    });
  }
}

/** RFC 3261 §25.1, "user": what may stand there unescaped. */
const encodeUser = (user: string): string =>
  encodeURIComponent(user).replace(/%(?:2B|24|26|2C|3B|3D|3F|2F)/g, (escaped) => decodeURIComponent(escaped));
