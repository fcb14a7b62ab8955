import type { Clock } from "../../clock.ts";
import type { Ids } from "../../ids.ts";
import type { RtpSession } from "../media/rtp-session.ts";
import type { Dialog } from "./dialog.ts";
import type { Address, NameAddr, SipRequest } from "./message.ts";
import type { Law } from "./sdp.ts";
import type { ClientTransaction, ResponseListener, ServerTransaction, SipTimers } from "./transactions.ts";

/** Whom requests of a dialog reach. */
export interface DialogOwner {
  readonly callId: string;
  readonly localTag: string;
  receive(request: SipRequest, server: ServerTransaction): void;
  end(options: { status: number; q850: number }): void;
}

/** What a call needs of the agent it belongs to. */
export interface AgentParts {
  readonly clock: Clock;
  readonly ids: Ids;
  readonly timers: SipTimers;
  readonly host: string;
  readonly port: number;
  readonly contact: NameAddr;
  readonly laws: readonly Law[];
  readonly sendsWhileHeld: boolean;
  /** In a dialog the far end is talked to where its first message went or came from, whatever its Contact says. */
  readonly sticky: boolean;
  send(request: SipRequest, to: Address, onResponse: ResponseListener): ClientTransaction;
  acknowledge(dialog: Dialog, inviteSeq: number): void;
  openRtp(): Promise<RtpSession>;
  /** From now on requests of the call's dialog reach it. */
  remember(call: DialogOwner): void;
  forget(call: DialogOwner): void;
}
