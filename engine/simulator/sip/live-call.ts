import { EventEmitter } from "node:events";
import type { Timer } from "../../clock.ts";
import type { RtpSession } from "../media/rtp-session.ts";
import type { AgentParts, DialogOwner } from "./agent-parts.ts";
import type { SipCall, SipCallEvents, SipCallState } from "./call.ts";
import type { Dialog } from "./dialog.ts";
import { allowedMethods, responseTo, type SipRequest, type SipResponse } from "./message.ts";
import { readQ850, writeReason } from "./reason.ts";
import { answerDirection, type Direction, payloadTypes, readSdp, type RemoteAudio, writeSdp } from "./sdp.ts";
import type { ServerTransaction } from "./transactions.ts";

export type EndOptions = NonNullable<Parameters<SipCall["end"]>[0]>;

/** A 2xx of ours that waits for its ACK. */
interface Answer {
  cseq: number;
  repeat: Timer;
  giveUp: Timer;
  /** Our description was an offer; the ACK brings its answer (RFC 3264 over RFC 3261 §13.2.1). */
  offered: boolean;
}

/**
 * What both directions of a call share: its dialog once there is one, its media, re-INVITE, BYE. How it came to be
 * answered is in outgoing-call.ts and incoming-call.ts.
 */
export abstract class LiveCall implements SipCall, DialogOwner {
  readonly callId: string;
  readonly localTag: string;
  protected readonly parts: AgentParts;
  protected dialog: Dialog | undefined;
  protected rtp: RtpSession | undefined;
  readonly #events = new EventEmitter<SipCallEvents>();
  readonly #sessionId: string;
  #sdpVersion = 1;
  #state: SipCallState = "calling";
  #hasMedia = false;
  #remote: RemoteAudio | undefined;
  /** What we would have, and what was last agreed. */
  #wish: Direction = "sendrecv";
  #direction: Direction = "sendrecv";
  #answer: Answer | undefined;
  #ourReinvite = false;
  #retryReinvite: Timer | undefined;

  constructor(parts: AgentParts, callId: string, localTag: string) {
    this.parts = parts;
    this.callId = callId;
    this.localTag = localTag;
    this.#sessionId = String(parts.ids.bytes(4).readUInt32BE(0));
  }

  abstract end(options?: EndOptions): void;

  get state(): SipCallState {
    return this.#state;
  }

  get media(): RtpSession | null {
    return this.#hasMedia ? (this.rtp ?? null) : null;
  }

  on<K extends keyof SipCallEvents>(event: K, listener: (...args: SipCallEvents[K]) => void): this {
    this.#events.on(event, listener as never);
    return this;
  }

  /** Holds the far end (`sendonly`, `inactive`) or takes it back (`sendrecv`) by a re-INVITE. */
  changeDirection(direction: Direction): void {
    this.#wish = direction;
    if (this.#state === "answered" && !this.#ourReinvite) this.#reinvite();
  }

  /** A request within the dialog; the ACK of a 2xx among them. */
  receive(request: SipRequest, server: ServerTransaction): void {
    if (request.method === "ACK") return this.#receiveAck(request);
    if (this.dialog?.accept(request) === false) return this.#respond(server, 500);
    switch (request.method) {
      case "BYE":
        this.#respond(server, 200);
        return this.receiveBye(request);
      case "INVITE":
        return this.#receiveReinvite(request, server);
      case "OPTIONS":
        return this.#respond(server, 200, { allow: allowedMethods });
      default:
        return this.#respond(server, 405, { allow: allowedMethods });
    }
  }

  protected receiveBye(request: SipRequest): void {
    this.finish({ by: "them", status: null, q850: readQ850(request.headers.reason) });
    this.forget();
  }

  /** Forgotten by the agent: nothing more is expected of the far end. */
  protected forget(): void {
    this.#answer?.repeat.cancel();
    this.#answer?.giveUp.cancel();
    this.#answer = undefined;
    this.parts.forget(this);
  }

  protected become<K extends "ringing" | "early" | "answered">(
    state: SipCallState,
    event: K | null,
    ...args: SipCallEvents[K]
  ): void {
    if (this.#state === "ended") return;
    this.#state = state;
    if (event) this.#events.emit(event, ...(args as never));
  }

  /** Once, whoever ended it; the event comes after the code that caused it. */
  protected finish(info: SipCallEvents["ended"][0]): void {
    if (this.#state === "ended") return;
    this.#state = "ended";
    this.#retryReinvite?.cancel();
    this.rtp?.close();
    queueMicrotask(() => this.#events.emit("ended", info));
  }

  /** Our side of the media: an offer, or the answer to `remote`. */
  protected localSdp(remote?: RemoteAudio): string {
    if (!this.rtp) throw new Error("no RTP socket yet");
    const events = remote ? remote.telephoneEventType : 101;
    return writeSdp(
      {
        address: { host: this.parts.host, port: this.rtp.localPort },
        laws: remote ? remote.laws.slice(0, 1) : this.parts.laws,
        telephoneEventType: events,
        direction: remote ? answerDirection(remote.direction, this.#wish) : this.#wish,
        sessionId: this.#sessionId,
        version: this.#sdpVersion,
      },
      remote?.lines,
    );
  }

  /** Takes over what the far end described; media flows from here on. */
  protected agree(remote: RemoteAudio): void {
    const law = remote.laws[0];
    if (!law || !this.rtp) return;
    this.#remote = remote;
    this.#hasMedia = true;
    this.#direction = remote.direction;
    const held = remote.direction === "sendonly" || remote.direction === "inactive";
    this.rtp.agree({
      remote: remote.address,
      law,
      payloadType: payloadTypes[law],
      telephoneEventType: remote.telephoneEventType,
      sending: !held || this.parts.sendsWhileHeld,
    });
  }

  /** Sends a 2xx to an INVITE until its ACK is here (RFC 3261 §13.3.1.4); without one the call ends. */
  protected answerUntilAck(server: ServerTransaction, response: SipResponse, offered: boolean): void {
    const { clock, timers } = this.parts;
    server.respond(response);
    const repeatAfter = (delayMs: number): Timer =>
      clock.after(delayMs, () => {
        server.respond(response);
        if (this.#answer) this.#answer.repeat = repeatAfter(Math.min(delayMs * 2, timers.t2Ms));
      });
    this.#answer = {
      cseq: server.request.headers.cseq.seq,
      offered,
      repeat: repeatAfter(timers.t1Ms),
      giveUp: clock.after(timers.giveUpMs, () => {
        this.#settleAnswer();
        this.hangUp({ q850: 102 });
      }),
    };
  }

  protected get awaitsAck(): boolean {
    return this.#answer !== undefined;
  }

  /** The far end has acknowledged our first 2xx. */
  protected onAck(): void {
    // Of interest to a call that came in.
  }

  /** BYE; the call is over at once and forgotten when the BYE is answered. */
  protected hangUp(options: EndOptions): void {
    this.finish({ by: "us", status: null, q850: options.q850 ?? null });
    this.sendBye(writeReason(options));
  }

  protected sendBye(headers: Readonly<Record<string, string>>): void {
    if (!this.dialog) return this.forget();
    this.parts.send(this.dialog.request("BYE", headers), this.dialog.nextHop, ({ status }) => {
      if (status >= 200) this.forget();
    });
  }

  #receiveAck(request: SipRequest): void {
    if (request.headers.cseq.seq !== this.#answer?.cseq) return;
    const { offered } = this.#answer;
    this.#settleAnswer();
    const remote = offered ? readSdp(request.content, this.parts.laws) : null;
    if (remote) this.agree(remote);
    this.onAck();
  }

  #settleAnswer(): void {
    this.#answer?.repeat.cancel();
    this.#answer?.giveUp.cancel();
    this.#answer = undefined;
  }

  /** RFC 3261 §14.2. */
  #receiveReinvite(request: SipRequest, server: ServerTransaction): void {
    if (this.#state !== "answered") return this.#respond(server, 481);
    if (this.#ourReinvite) return this.#respond(server, 491);
    if (this.awaitsAck) return this.#respond(server, 500, { "retry-after": "1" });
    server.respond(responseTo(request, 100));
    if (!request.content) return this.#answerReinvite(server, this.localSdp(), true);
    const remote = readSdp(request.content, this.parts.laws);
    if (!remote) return this.#respond(server, 488);
    const changed = remote.direction !== this.#direction;
    this.agree(remote);
    this.#sdpVersion += 1;
    this.#answerReinvite(server, this.localSdp(remote), false);
    if (changed) this.#events.emit("direction", remote.direction);
  }

  #answerReinvite(server: ServerTransaction, content: string, offered: boolean): void {
    this.answerUntilAck(server, this.responseWithSdp(server, 200, content), offered);
  }

  protected responseWithSdp(server: ServerTransaction, status: number, content: string): SipResponse {
    return responseTo(server.request, status, {
      toTag: this.localTag,
      headers: {
        contact: [this.parts.contact],
        allow: allowedMethods,
        "content-type": "application/sdp",
      },
      content,
    });
  }

  #reinvite(): void {
    if (!this.dialog) return;
    this.#ourReinvite = true;
    this.#sdpVersion += 1;
    const wish = this.#wish;
    const request = this.dialog.request("INVITE", { "content-type": "application/sdp" }, this.localSdp());
    this.parts.send(request, this.dialog.nextHop, (response) => this.#reinvited(request, response, wish));
  }

  #reinvited(request: SipRequest, response: SipResponse, wish: Direction): void {
    if (response.status < 200 || !this.dialog) return;
    const first = this.#ourReinvite;
    this.#ourReinvite = false;
    if (response.status < 300) {
      this.dialog.retarget(response);
      this.parts.acknowledge(this.dialog, request.headers.cseq.seq);
      const remote = first ? readSdp(response.content, this.parts.laws) : null;
      if (remote && this.#state === "answered") this.agree(remote);
      if (first && wish !== this.#wish) this.changeDirection(this.#wish);
      return;
    }
    const { clock, ids } = this.parts;
    // §14.1: both sides asked at once; whoever waits shorter goes first.
    if (response.status === 491) {
      const delayMs = 200 + ids.fraction() * 2000;
      this.#retryReinvite = clock.after(delayMs, () => this.changeDirection(this.#wish));
    }
    // §12.2.1.2: the far end knows nothing of the call any more.
    if (response.status === 481 || response.status === 408) this.hangUp({ q850: 41 });
  }

  #respond(server: ServerTransaction, status: number, headers: Readonly<Record<string, string>> = {}): void {
    server.respond(responseTo(server.request, status, { headers }));
  }

  /** The description the far end last gave. */
  protected get remote(): RemoteAudio | undefined {
    return this.#remote;
  }
}
