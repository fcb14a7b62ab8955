/**
 * Every kind of event that a call can have. `call.*` are told by webhook, the others are on the call alone. What is in
 * each is in api/schemas/event.ts, which does not compile with one missing.
 */
export const callEventKinds = [
  "call.started",
  "call.answered",
  "call.dial_completed",
  "call.completed",
  "call.failed",
  "call.recording.ready",
  "leg.ringing",
  "leg.answered",
  "leg.bridged",
  "leg.unbridged",
  "leg.ended",
  "leg.reconciled",
  "action.started",
  "document.ended",
  "play.started",
  "play.finished",
  "play.failed",
  "dial.started",
  "dial.refused",
  "recording.started",
  "recording.paused",
  "recording.resumed",
  "recording.stopping",
  "recording.stopped",
  "recording.empty",
  "recording.missing",
] as const;
export type CallEventKind = (typeof callEventKinds)[number];
