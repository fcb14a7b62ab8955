import type { Document } from "../actions/document.ts";
import type { NumberId } from "../ids.ts";
import type { Trace } from "../trace.ts";

/** A `POST /v1/calls` whose shape was checked at the edge; what it may do is decided by Calls. */
export interface CallRequest {
  fromE164: string;
  /** 1 to 10, each once: rung at once, the first to answer has the call. */
  toE164: readonly [string, ...string[]];
  callerId?: string;
  voiceCallbackUrl?: string;
  eventsUrl?: string;
  actions?: Document;
  record: RecordFrom | null;
  ringTimeoutSeconds: number;
  maxDurationSeconds: number;
  clientRequestId?: string;
  metadata?: Record<string, string | number | boolean | null>;
  /** What the call is a part of; default: a trace of its own. */
  trace?: Trace;
}

export type RecordFrom = "from-answer" | "from-ringing";

/** What of the request outlives it: `calls.options`. */
export interface CallOptions {
  callerId: string;
  record: RecordFrom | null;
  ringTimeoutSeconds: number;
  maxDurationSeconds: number;
  /** How many were rung at once; absent: one. */
  branches?: number;
}

/** The calling number, found by its E.164 among the workspace's active ones. */
export interface CallingNumber {
  id: NumberId;
  voiceCallbackUrl: string | null;
  eventsUrl: string | null;
}
