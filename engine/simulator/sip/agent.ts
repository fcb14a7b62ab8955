import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import type { Clock } from "../../clock.ts";
import { type Ids, systemIds } from "../../ids.ts";
import { Pacer } from "../media/pacer.ts";
import { openRtpSession } from "../media/rtp-session.ts";
import type { AgentParts, DialogOwner } from "./agent-parts.ts";
import type { IncomingSipCall, OutgoingInvite, OutgoingRequest, SipAgent, SipCall } from "./call.ts";
import type { Dialog } from "./dialog.ts";
import { answerChallenge } from "./digest.ts";
import type { HepSender } from "./hep-sender.ts";
import { IncomingCall } from "./incoming-call.ts";
import {
  type Address,
  allowedMethods,
  isRequest,
  noteSource,
  parseMessage,
  responseTo,
  type SipRequest,
  type SipResponse,
  writeMessage,
} from "./message.ts";
import { OutgoingCall } from "./outgoing-call.ts";
import { type Law, readSdp } from "./sdp.ts";
import { rfcTimers, type ServerTransaction, type SipTimers, Transactions } from "./transactions.ts";

export interface SipAgentOptions {
  /** The address to bind, which is also the one told to the far end. */
  host: string;
  /** 0: a free one. */
  port: number;
  clock: Clock;
  ids?: Ids;
  /** In our order of preference; both by default. */
  laws?: readonly Law[];
  timers?: Partial<SipTimers>;
  /** FreeSWITCH's `rtp_disable_hold`: a far end that holds us is answered properly and still hears us. */
  sendsWhileHeld?: boolean;
  /** In a dialog the far end is talked to where it was first, whatever its Contact says; as FreeSWITCH does behind NAT. */
  sticky?: boolean;
  /** Of our Contact. */
  contactUser?: string;
  /** Looks at each request that begins something; true: it has answered, or will. */
  screen?: (request: SipRequest, server: ServerTransaction, from: Address) => boolean;
  /** Is told of each message, as it goes over the wire. */
  capture?: HepSender;
  /** One line for each message sent and received. */
  log?: (line: string) => void;
}

/** How long close() waits for the far ends to answer BYE and CANCEL: one repetition (T1), and well within its second. */
const closeMsMax = 600;

export async function createSipAgent(options: SipAgentOptions): Promise<SipAgent> {
  const socket = createSocket("udp4");
  socket.bind(options.port, options.host);
  await once(socket, "listening");
  return new UdpSipAgent(socket, options);
}

class UdpSipAgent implements SipAgent {
  readonly host: string;
  readonly port: number;
  readonly #socket: Socket;
  readonly #log: (line: string) => void;
  readonly #capture: HepSender | undefined;
  readonly #screen: NonNullable<SipAgentOptions["screen"]>;
  readonly #parts: AgentParts;
  readonly #transactions: Transactions;
  /** By Call-ID and our tag. */
  readonly #calls = new Map<string, DialogOwner>();
  readonly #incoming = new Map<ServerTransaction, IncomingCall>();
  #handler: ((call: IncomingSipCall) => void) | undefined;
  #closed: Promise<void> | undefined;
  #onQuiet: (() => void) | undefined;
  #socketClosed = false;

  constructor(socket: Socket, options: SipAgentOptions) {
    const { address, port } = socket.address();
    this.host = address;
    this.port = port;
    this.#socket = socket;
    this.#capture = options.capture;
    this.#log = options.log ?? (() => undefined);
    this.#screen = options.screen ?? (() => false);
    const { clock, ids = systemIds(clock), laws = ["PCMU", "PCMA"], sendsWhileHeld = false } = options;
    const { contactUser = "sautikit", sticky = false } = options;
    const timers = { ...rfcTimers, ...options.timers };
    this.#transactions = new Transactions({
      clock,
      ids,
      timers,
      host: address,
      port,
      send: (message, to, onError) => this.#send(message, to, onError),
      onRequest: (request, server, from) => this.#onRequest(request, server, from),
    });
    const pacer = new Pacer(clock);
    this.#parts = {
      clock,
      ids,
      timers,
      host: address,
      port,
      laws,
      sendsWhileHeld,
      sticky,
      contact: { uri: `sip:${contactUser}@${address}:${port}`, params: {} },
      send: (request, to, onResponse) => this.#transactions.send(request, to, onResponse),
      acknowledge: (dialog, inviteSeq) => this.#acknowledge(dialog, inviteSeq),
      openRtp: () => openRtpSession({ host: address, clock, ids, pacer }),
      remember: (call) => this.#calls.set(keyOf(call), call),
      forget: (call) => this.#forget(call),
    };
    socket.on("message", (bytes, from) => this.#onDatagram(bytes, { host: from.address, port: from.port }));
    socket.on("error", (error) => this.#log(`socket: ${error.message}`));
  }

  invite(request: OutgoingInvite): SipCall {
    const { laws = this.#parts.laws } = request;
    return new OutgoingCall({ ...this.#parts, laws }, request);
  }

  async request(outgoing: OutgoingRequest): Promise<SipResponse> {
    const { method, uri, to, party, callId, seq, headers, login } = outgoing;
    const request: SipRequest = {
      method,
      uri,
      headers: {
        via: [],
        "max-forwards": 70,
        from: { uri: `sip:${party}`, params: { tag: this.#newTag() } },
        to: { uri: `sip:${party}`, params: {} },
        "call-id": callId,
        cseq: { seq, method },
        "user-agent": "sautikit-simulator",
        ...headers,
      },
    };
    const response = await new Promise<SipResponse>((resolve) => {
      this.#transactions.send(request, to, (found) => {
        if (found.status >= 200) resolve(found);
      });
    });
    const cnonce = this.#parts.ids.bytes(8).toString("hex");
    const proof = login && answerChallenge(request, response, login, cnonce);
    if (proof === undefined) return response;
    return this.request({
      ...{ method, uri, to, party, callId, seq: seq + 1 },
      headers: { ...headers, ...proof },
    });
  }

  onInvite(handler: (call: IncomingSipCall) => void): void {
    this.#handler = handler;
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    for (const call of this.#calls.values()) call.end({ status: 503, q850: 16 });
    if (this.#calls.size > 0) {
      await new Promise<void>((resolve) => {
        this.#onQuiet = resolve;
        this.#parts.clock.after(closeMsMax, resolve);
      });
    }
    this.#transactions.close();
    this.#socketClosed = true;
    this.#socket.close();
    await once(this.#socket, "close");
  }

  #send(message: SipRequest | SipResponse, to: Address, onError?: () => void): void {
    if (this.#socketClosed) return;
    // A far end may have named any port as its Contact.
    if (to.port < 1 || to.port > 65535) return queueMicrotask(() => onError?.());
    const bytes = writeMessage(message);
    this.#log(`sent to ${to.host}:${to.port}\n${bytes.toString()}`);
    this.#capture?.send(bytes, this, to);
    this.#socket.send(bytes, to.port, to.host, (error) => {
      if (error) onError?.();
    });
  }

  #acknowledge(dialog: Dialog, inviteSeq: number): void {
    const ack = dialog.ack(inviteSeq);
    ack.headers.via = [this.#transactions.newVia()];
    this.#send(ack, dialog.nextHop);
  }

  #onDatagram(bytes: Buffer, from: Address): void {
    this.#capture?.send(bytes, from, this);
    const message = parseMessage(bytes);
    if (!message) return;
    this.#log(`received from ${from.host}:${from.port}\n${bytes.toString()}`);
    if (isRequest(message)) noteSource(message, from);
    this.#transactions.receive(message, from);
  }

  #onRequest(request: SipRequest, server: ServerTransaction, from: Address): void {
    const { to, "call-id": callId } = request.headers;
    if (request.method === "CANCEL") return this.#onCancel(request, server);
    if (to.params.tag) {
      const call = this.#calls.get(`${callId} ${to.params.tag}`);
      if (call) call.receive(request, server);
      else if (request.method !== "ACK") server.respond(responseTo(request, 481));
      return;
    }
    if (request.method !== "ACK" && this.#screen(request, server, from)) return;
    const headers = { allow: allowedMethods };
    if (request.method === "INVITE") void this.#onInvite(request, server, from);
    else if (request.method === "OPTIONS") {
      server.respond(
        responseTo(request, 200, {
          toTag: this.#newTag(),
          headers: { ...headers, accept: "application/sdp" },
        }),
      );
    } else if (request.method === "BYE") server.respond(responseTo(request, 481));
    else if (request.method !== "ACK") server.respond(responseTo(request, 405, { headers }));
  }

  async #onInvite(request: SipRequest, server: ServerTransaction, from: Address): Promise<void> {
    const refuse = (status: number, headers: Readonly<Record<string, string>> = {}): void =>
      server.respond(responseTo(request, status, { toTag: this.#newTag(), headers }));
    server.respond(responseTo(request, 100));
    if (!this.#handler || this.#closed) return refuse(503);
    // RFC 3261 §8.2.2.3: we have no extension that could be required of us.
    if (typeof request.headers.require === "string")
      return refuse(420, { unsupported: request.headers.require });
    const offer = readSdp(request.content, this.#parts.laws);
    if (!offer) return refuse(488);
    const call = new IncomingCall(this.#parts, server, offer, from);
    this.#incoming.set(server, call);
    if (await call.prepare()) this.#handler(call);
  }

  /** RFC 3261 §9.2. */
  #onCancel(request: SipRequest, server: ServerTransaction): void {
    const invite = this.#transactions.inviteOf(request);
    server.respond(responseTo(request, invite ? 200 : 481));
    if (invite) this.#incoming.get(invite)?.cancelled(request);
  }

  #forget(call: DialogOwner): void {
    this.#calls.delete(keyOf(call));
    if (call instanceof IncomingCall) this.#incoming.delete(call.server);
    if (this.#calls.size === 0) this.#onQuiet?.();
  }

  #newTag(): string {
    return this.#parts.ids.bytes(6).toString("hex");
  }
}

const keyOf = (call: DialogOwner): string => `${call.callId} ${call.localTag}`;
