/**
 * Every kind of event that a call can have. `call.*` are told by webhook, the others are on the call alone. What is in
 * each is in api/schemas/event.ts, which does not compile with one missing.
 */
export const callEventKinds = [
  "call.started",
  "call.answered",
  "call.digits",
  "call.recorded",
  "call.redirected",
  "call.dial_completed",
  "call.stream_ended",
  "call.completed",
  "call.failed",
  "call.recording.ready",
  "leg.ringing",
  "leg.answered",
  "leg.bridged",
  "leg.unbridged",
  "leg.one_way_audio",
  "leg.ended",
  "leg.failed_over",
  "leg.reconciled",
  "arrival.failed",
  "answer.failed",
  "action.started",
  "document.ended",
  "document.replaced",
  "document.invalid",
  "voice_url.answered",
  "voice_url.failed",
  "play.started",
  "play.finished",
  "play.failed",
  "say.started",
  "say.finished",
  "say.failed",
  "digits.sent",
  "digits.failed",
  "dial.started",
  "dial.refused",
  "dial.ringback_failed",
  "stream.started",
  "conference.refused",
  "conference.joined",
  "conference.started",
  "conference.muted",
  "conference.unmuted",
  "conference.held",
  "conference.unheld",
  "conference.announced",
  "conference.announcement_failed",
  "conference.wait_failed",
  "conference.left",
  "conference.ended",
  "recording.started",
  "recording.paused",
  "recording.resumed",
  "recording.stopping",
  "recording.stopped",
  "recording.empty",
  "recording.missing",
] as const;
export type CallEventKind = (typeof callEventKinds)[number];

/** Those that a document's `statusEventsCallbackUrl` is told of. */
export const conferenceEventKinds = callEventKinds.filter((kind) => kind.startsWith("conference.")) as [
  ConferenceEventKind,
  ...ConferenceEventKind[],
];
export type ConferenceEventKind = Extract<CallEventKind, `conference.${string}`>;

/** Those with which a voice URL is asked what comes next, rather than told. */
export type AskingKind = Extract<
  CallEventKind,
  | "call.started"
  | "call.answered"
  | "call.digits"
  | "call.recorded"
  | "call.dial_completed"
  | "call.stream_ended"
  | "call.redirected"
>;
