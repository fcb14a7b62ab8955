import type { MediaSession } from "../media/session.ts";
import type { Login } from "./digest.ts";
import type { Address, SipResponse } from "./message.ts";
import type { Law } from "./sdp.ts";

/**
 * The seam between SIP and what sits on it: the simulated switch and the simulated carrier see calls, not messages.
 * One SipAgent is one UDP socket; each call has one dialog and one RTP session (G.711 µ- or A-law, RFC 4733).
 */
export interface SipAgent {
  readonly host: string;
  readonly port: number;
  /** Sends an INVITE. Never throws for what the far end does: that comes as events on the call. */
  invite(request: OutgoingInvite): SipCall;
  /** A request outside of dialogs, such as REGISTER; resolves to its final answer, one of ours where none came. */
  request(request: OutgoingRequest): Promise<SipResponse>;
  /** One handler, set by the owner before any traffic: a new INVITE (RFC 3261 §13.3), answered 100 already. */
  onInvite(handler: (call: IncomingSipCall) => void): void;
  /** Ends every call (BYE, CANCEL or 503) and closes the socket, within a second. */
  close(): Promise<void>;
}

export interface OutgoingInvite {
  /** Where the request goes: `sip:<user>@<host>:<port>`. */
  user: string;
  host: string;
  port: number;
  fromUser: string;
  fromDisplay?: string;
  /** The request URI, where that is not the address that it goes to. */
  uri?: string;
  /** Used once, if the far end asks for it. */
  login?: Login;
  /** What is offered, in order; default: the agent's own. */
  laws?: readonly Law[];
  /** Further headers, e.g. `X-Something`; names and values already checked. */
  headers?: Readonly<Record<string, string>>;
}

export interface OutgoingRequest {
  method: string;
  uri: string;
  to: Address;
  /** User and domain, of both From and To. */
  party: string;
  callId: string;
  seq: number;
  headers?: Readonly<Record<string, unknown>>;
  login?: Login;
}

export type SipCallState = "calling" | "ringing" | "early" | "answered" | "ended";

export interface SipCall {
  readonly callId: string;
  readonly state: SipCallState;
  /** Null until there is SDP on both sides (early media or answer). */
  readonly media: MediaSession | null;
  /** CANCEL before the final answer, BYE after it; `reason` is a Reason header (RFC 3326) such as `SIP;cause=200;text="Call completed elsewhere"`. */
  end(options?: { reason?: string; status?: number; q850?: number }): void;
  /** Holds the far end (`sendonly`, `inactive`) or takes it back (`sendrecv`) by a re-INVITE, once answered. */
  changeDirection(direction: "sendrecv" | "sendonly" | "recvonly" | "inactive"): void;
  on<K extends keyof SipCallEvents>(event: K, listener: (...args: SipCallEvents[K]) => void): this;
}

export interface IncomingSipCall extends SipCall {
  /** User part of the request URI: the number dialled. */
  readonly toUser: string;
  readonly fromUser: string;
  readonly fromHost: string;
  /** Where its INVITE came from. */
  readonly source: Address;
  readonly headers: Readonly<Record<string, string>>;
  /** 180 without SDP. */
  ring(): void;
  /** 183 with SDP: media flows, unanswered. */
  earlyMedia(): void;
  /** 200 with SDP, repeated until the ACK (RFC 3261 §13.3.1.4). */
  answer(): void;
  /** A final refusal: 486, 480, 603, … */
  reject(status: number, reason?: string): void;
}

export interface SipCallEvents {
  /** 180/181/182 without SDP. */
  ringing: [status: number];
  /** 183 (or 180) with SDP: `media` is set. */
  early: [status: number];
  /** 200 and ACK: `media` is set. */
  answered: [];
  /**
   * Over, once, whoever ended it. `status` is the final SIP status of an unanswered call (486; 487 where it was
   * cancelled; 408 when nobody answered the INVITE); `by` tells which side sent BYE, CANCEL or the refusal.
   */
  ended: [info: { by: "us" | "them"; status: number | null; q850: number | null }];
  /**
   * A re-INVITE of the far end changed the direction of media, as the far end put it (`sendonly`: it holds us); the
   * call has answered it already.
   */
  direction: [direction: "sendrecv" | "sendonly" | "recvonly" | "inactive"];
}
