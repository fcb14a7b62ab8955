import { z } from "zod";
import { callEventKinds, conferenceEventKinds, type CallEventKind } from "../../engine/calls/event-kinds.ts";
import { recordedReasons } from "../../engine/actions/record.ts";
import { streamReasons } from "../../engine/streams/stream-end.ts";
import { refusalReasons } from "../../engine/policy/refusal.ts";
import { metadata } from "../../engine/metadata.ts";
import type { EventDescription } from "./event-description.ts";
import { workspaceEvents } from "./workspace-event.ts";
import { callStatus, cutOff, direction, failureCode, legAudio, legSchema } from "./call.ts";

const time = (description: string) => z.string().meta({ format: "date-time", description });
const legId = z.string().meta({ description: "The leg." });
const ofCallAlone = {
  call_id: z.string().meta({ description: "The call." }),
  direction,
  from: z.string().meta({
    description:
      "Who calls, E.164: the workspace's number, or an inbound call's caller (`anonymous` where the number is hidden).",
  }),
  to: z.string().meta({ description: "Who is called, E.164; of an inbound call the workspace's number." }),
  number_id: z.string().nullable().meta({ description: "The workspace's number, by its id." }),
  status: callStatus.meta({ description: "Of the call, as it was then." }),
  client_request_id: z
    .string()
    .optional()
    .meta({ description: "As given with the call; absent where none was." }),
  metadata: metadata.optional().meta({ description: "As given with the call; absent where none was." }),
};

const ofCall = {
  ...ofCallAlone,
  sequence: z
    .int()
    .meta({ description: "1, 2, … within the call, without a gap: go by it, not by the order of arrival." }),
};

const call = (happened: string, fields: z.ZodRawShape = {}): EventDescription => ({
  happened,
  data: z.strictObject({ ...ofCall, ...fields }),
});
const plain = (happened: string, fields: z.ZodRawShape = {}): EventDescription => ({
  happened,
  data: z.strictObject(fields),
});

const ended = time("When the first leg ended.");
const cause = z
  .string()
  .meta({ description: "Q.850 name in lower snake case.", examples: ["normal_clearing"] });
const costMinor = (of: string) => z.int().meta({ description: `KES cents charged for ${of}.` });
const url = z.string().meta({ description: "As in the action." });
const ofRecording = { recording_id: z.string().meta({ description: "The recording." }), leg_id: legId };
const coverage = {
  talk_ms: z
    .int()
    .nullable()
    .meta({
      description:
        "Milliseconds for which there was something to record, by the switch's stamps: from the leg's answer (earlier with " +
        "from-ringing, or from its own start where it was switched on later) to its end. Null: not known.",
    }),
  gap_ms: z
    .int()
    .nullable()
    .meta({
      description:
        "How much of `talk_ms` the recording lacks; 0: nothing. Up to 100 ms are its beginning and end; more is a gap, and " +
        "above 2 % of the talk the operator is warned too. Of two who talk a recording may also be longer than `talk_ms`: sound that came late " +
        "is in it as the silence when it was due, and as itself when it came.",
    }),
};

const ofTry = {
  asked: z.string().meta({ description: "The kind of the question.", examples: ["call.answered"] }),
  event_id: z.string().meta({ description: "The question's, the same at every try." }),
  url: z.string(),
  status: z.int().nullable().meta({ description: "HTTP status; null: there was no answer." }),
  fault: z.string().nullable().meta({
    description:
      "Why there was none: `blocked`, `dns`, `refused`, `unreachable`, `tls`, `timeout`, `reset`, `protocol`.",
  }),
  latency_ms: z.int(),
  answer: z.string().meta({ description: "Its first KiB." }),
};
/** What the server of a URL of audio did. */
const ofOrigin = {
  status: z.int().nullable().optional().meta({
    description: "With `fetch_failed`: the HTTP status of the audio's server; null: there was no answer.",
  }),
  fault: z.string().nullable().optional().meta({
    description: "With `fetch_failed`: why there was none, as of `voice_url.failed`; null: there was one.",
  }),
};
const said = {
  text: z.string(),
  language: z.string().meta({ description: "BCP 47.", examples: ["sw-KE"] }),
};

const inRoomAtAll = {
  conference_id: z.string().meta({ description: "The room, from its first member to its last." }),
};
const inRoom = { ...inRoomAtAll, leg_id: legId };
const ofAnnouncement = {
  ...inRoomAtAll,
  announcement: z.enum(["say", "play"]),
  leg_id: z.string().nullable().meta({ description: "The one that it is for; null: all." }),
};
const conference = (happened: string, fields: z.ZodRawShape): EventDescription =>
  plain(happened, {
    ...ofCallAlone,
    conference: z.string().meta({ description: "The room's name, as in the action." }),
    ...fields,
  });

/** `known_by` of a leg's end. */
const knownBy = z.enum(["event", "end_record", "last_proven", "controller"]).meta({
  description:
    "How the end is known: the switch's event; its end-of-leg record, where the event was missed; the last second in " +
    "which the switch was proven alive, where it died; or the controller, for a leg that was never on a switch.",
});

export const callEvents: Record<CallEventKind, EventDescription> = {
  "call.started": call(
    "Outbound: the switch took the call and dials. Inbound: the number called was found, and the voice URL is asked before " +
      "anybody answers.",
  ),
  "call.answered": call("The first leg was answered; it is billed from here.", {
    answered_at: time("By the switch's clock."),
  }),
  "call.digits": call("A `getDigits` is over; the voice URL is asked what comes next.", {
    digits: z.string().meta({
      description: "What was typed, without the finishing key; empty: nothing, and no action follows.",
    }),
  }),
  "call.recorded": call("A `record` is over; its action URL, else the voice URL, is asked what comes next.", {
    recording_id: z.string().nullable().meta({
      description:
        "The recording, `call.recording.ready` tells when it can be fetched; null: none was begun.",
    }),
    leg_id: legId,
    duration_seconds: z.number().nullable().meta({
      description: "Length by the switch's word, to the millisecond; null: its word was lost.",
    }),
    reason: z.enum(recordedReasons).meta({
      description:
        "`silence`, `max_length`, `finish_key`; `hangup`: nobody is asked; `stopped`: by PATCH …/recording; `failed`: the " +
        "switch did not begin it.",
    }),
    digit: z.string().nullable().meta({ description: "The key that ended it; null: none did." }),
  }),
  "call.redirected": call("A `redirect` asks its URL what comes next.", { url }),
  "call.dial_completed": call("A `dial` is over, whatever came of it.", {
    to: z.string().nullable().meta({
      description: "The number that was dialled; of several the one that answered, null where none did.",
    }),
    dial_status: z.enum(["completed", "no_answer", "busy", "canceled", "failed"]).meta({
      description:
        "`completed`: there was a talk. `failed` too where the dial was refused (see `dial.refused`). Of several of which " +
        "none answered, what tells most: that it was given up (`canceled`), then `rejected`, `busy`, `no_answer`, " +
        "`unallocated_number`, `unreachable`, and what failed on the way.",
    }),
    failure_code: failureCode.nullable().meta({
      description: "Why nobody answered; null where somebody did, and where the dial was refused.",
    }),
    dial_duration_seconds: z
      .int()
      .meta({ description: "Billed seconds of the dialled leg; 0 without an answer." }),
    leg_id: z.string().nullable().meta({
      description:
        "The dialled leg, of several the one that answered; null where none did, or the dial was refused.",
    }),
  }),
  "call.stream_ended": call("A `stream` is over, or was not opened.", {
    stream_id: z.string().nullable().meta({
      description: "As in `start`; of several, since Sautikit was restarted, the last. Null: it never began.",
    }),
    url,
    reason: z.enum(streamReasons).meta({
      description:
        "`bot_closed`: by your side; `connection_lost`: without a close; `bot_silent`: no pong for 15 s; `flooded`: more than " +
        "may be sent (docs/actions/stream.md); `hangup`: of the leg; `replaced`: by POST …/actions; `media_failed`, " +
        "`media_lost`: the switch gave no audio, or no longer does. Not opened: `blocked`, `dns`, `refused`, `unreachable`, " +
        "`tls`, `timeout` (5 s), `reset`, `protocol` (the answer was no WebSocket).",
    }),
    close_code: z.int().nullable().meta({
      description: "Of your side's close (RFC 6455); null: it did not close, or gave none.",
    }),
    http_status: z.int().nullable().meta({
      description: "Where the answer was not a WebSocket; null: it was, or there was none.",
    }),
    duration_seconds: z.number().meta({
      description: "From its first start to its end, to the millisecond; 0: it never began.",
    }),
    media_sent: z
      .int()
      .nullable()
      .meta({
        description:
          "`media` messages to your side, since its last start. This and the next two are null where nobody was there to " +
          "count: a document that took its place, a leg whose end was found later.",
      }),
    media_received: z.int().nullable().meta({ description: "From your side." }),
    media_dropped: z.int().nullable().meta({
      description: "Left out, since your side did not read: 256 KiB waited for it.",
    }),
  }),
  "call.completed": call("An answered call is over, its last leg too; every charge is known.", {
    duration_seconds: z.int().meta({ description: "From the first leg's answer to its end, rounded up." }),
    answered_at: time("When the first leg was answered."),
    ended_at: ended,
    hangup_cause: cause.meta({ description: "Why the first leg ended: Q.850 name." }),
    cut_off: cutOff.meta({ description: "What the switch ended the first leg for, as its `cut_off` says." }),
    cost_minor: costMinor("all legs"),
    currency: z.literal("KES"),
    legs: z.array(legSchema).meta({ description: "The first leg first, each as in GET /v1/calls/{id}." }),
  }),
  "call.failed": call("The call ended without an answer; it costs nothing.", {
    failure_reason: z.string().meta({ description: "The same as `status`." }),
    failure_code: failureCode,
    hangup_cause: cause.nullable(),
    ended_at: ended,
  }),
  "call.recording.ready": call("A recording is in the storage, checked there.", {
    ...ofRecording,
    duration_seconds: z.number().meta({ description: "Length of the audio, to the millisecond." }),
    ...coverage,
    trimmed_ms: z.int().optional().meta({
      description: "With `trim-silence`: the silence that was cut off at both ends; it is no gap.",
    }),
    size_bytes: z.int().meta({ description: "Of the WAV file, header included." }),
    sha256: z.string().meta({ description: "Of the file, hex." }),
    download_url: z.string().meta({ description: "The API's own link to it, which asks for a key." }),
  }),
  "leg.ringing": plain("A leg rings.", {
    leg_id: legId,
    early_media: z
      .boolean()
      .meta({ description: "True: it plays something of its own (an announcement), unbilled." }),
  }),
  "leg.answered": plain(
    "A leg was answered. Of several that pick up in the same instant the switch keeps one; the others end `canceled`, free.",
    { leg_id: legId },
  ),
  "leg.bridged": plain("Two legs hear each other.", {
    leg_id: legId,
    other_leg_id: z.string().meta({ description: "The one that it was joined to." }),
  }),
  "leg.unbridged": plain("They do so no longer.", { leg_id: legId }),
  "leg.one_way_audio": plain(
    "A leg was heard one way only, or not at all: a firewall, a NAT, or a wrong address in somebody's SDP.",
    { leg_id: legId, ...legAudio.shape, one_way: legAudio.shape.one_way.unwrap() },
  ),
  "leg.ended": plain("A leg is over and settled.", {
    leg_id: legId,
    status: callStatus,
    hangup_cause: cause,
    billed_seconds: z.int().meta({ description: "Whole seconds begun, from its answer to its end." }),
    cost_minor: costMinor("it"),
    cut_off: cutOff,
    known_by: knownBy,
  }),
  "leg.failed_over": plain(
    "A trunk failed before anything rang, for a cause of its own; the leg is dialled over the next one.",
    {
      leg_id: legId,
      attempt: z.int().meta({ description: "Which of the leg's `attempts` failed, from 1." }),
      trunk: z.string().meta({ description: "The one that failed; the operator's name of it." }),
      sip_status: z.int().nullable().meta({ description: "Its answer, where there was one." }),
      hangup_cause: cause,
    },
  ),
  "leg.reconciled": plain(
    "After a restart or a lost connection the leg was brought in line with the switch.",
    {
      leg_id: legId,
      action: z.enum(["adopted", "corrected", "closed"]).meta({
        description: "Taken up where it was; told what had been missed; or ended, since it was gone.",
      }),
      reason: z.string().meta({
        description:
          "`controller_started`, `reconnected`; `events_missed`; `switch_restarted`, `not_on_switch`, `never_on_switch`, " +
          "`switch_away`, `switch_not_configured`, `had_ended`.",
      }),
      missed: z.array(z.string()).meta({
        description:
          "What had not been told and is now: `created`, `ringing`, `answered`, `bridged`, `unbridged`, `playbackEnded`.",
      }),
    },
  ),
  "arrival.failed": plain(
    "The media server refused to take a device's call in: nobody is dialled, and the device is told 503. The call's `failure_code` is `not_taken_in`.",
    { leg_id: legId },
  ),
  "answer.failed": plain("The media server did not answer an inbound call in 10 s; it is hung up."),
  "action.started": plain("An action of the voice document begins.", {
    verb: z.string().meta({ examples: ["play"] }),
    index: z.int().meta({ description: "Its place in the document, from 0." }),
  }),
  "document.ended": plain("The last action is over; the call hangs up."),
  "document.replaced": plain(
    "POST /v1/calls/{id}/actions: what the call was doing is dropped for another document.",
    {
      actions: z.int().meta({ description: "How many it has." }),
    },
  ),
  "document.invalid": plain(
    "What the voice URL answered is no voice document; an apology is heard, and the call is hung up.",
    {
      path: z.string().meta({ description: "Where, as you wrote it.", examples: ["actions[1].dial.number"] }),
      code: z.string().meta({
        description:
          "Short and stable, the same as in `fields` of the API's refusals: `unknown`, `required`, `type`, `range`, `length`, " +
          "`value`, `format`, …; `too_many`: redirects, or hurried documents, in a row.",
        examples: ["required"],
      }),
      reason: z.string().meta({ description: "In words.", examples: ["is missing"] }),
    },
  ),
  "voice_url.answered": plain("The voice URL answered a question.", {
    ...ofTry,
    no_document: z
      .enum(["empty", "text", "broken_json", "no_actions"])
      .nullable()
      .meta({
        description:
          "Why the answer is taken for no instructions, so that the call goes on as it is: `empty`; `text`, such as `OK` or a " +
          "web page; `broken_json`, which begins as JSON does; `no_actions`, JSON that is no object with `actions`. Null: it has " +
          "`actions`.",
      }),
    json_error: z.string().optional().meta({
      description: "With `broken_json`: what a JSON parser says of it.",
    }),
  }),
  "voice_url.failed": plain(
    "The voice URL gave no 2xx in 5 s. It is asked once more, then the number's fallback URL; after that the call is hung up; " +
      "a caller hears an apology first and, where not answered yet, is refused (503).",
    { ...ofTry },
  ),
  "play.started": plain("A prompt was fetched and is played.", {
    url,
    loops: z.int().meta({ description: "How often." }),
  }),
  "play.finished": plain("It was played to its end.", { url }),
  "play.failed": plain("It was not played; the next action runs.", {
    url,
    reason: z.string().meta({
      description:
        "`fetch_failed`, `fetch_timed_out` (20 s), `too_large` (10 MiB), `too_long` (1 h), `not_audio`, `unsupported` (a WAV " +
        "of a coding that is not read), `busy` (too many of yours wait to be fetched or converted, or this one waited 8 s for its turn), `failed`; of an uploaded prompt: " +
        "`media_not_found` (not there, or another workspace's), `storage_failed`; of the switch: `notFound`, " +
        "`failed` (also where the command was lost with a controller), `playback_timed_out`.",
    }),
    ...ofOrigin,
  }),
  "say.started": plain("A text was rendered and is spoken.", {
    ...said,
    loops: z.int().meta({ description: "How often." }),
  }),
  "say.finished": plain("It was spoken to its end.", said),
  "say.failed": plain(
    "It could not be spoken: three tones are heard in its place, and the next action runs.",
    {
      ...said,
      reason: z.string().meta({
        description:
          "`unsupported_language`, `timed_out`, `busy` (too many texts wait), `too_long` (5 min), `silent` (there is nothing " +
          "to be heard in the text), `failed`; of another engine's audio: `not_audio`, `unsupported` (a WAV of a coding that " +
          "is not read); `fetch_timed_out` (20 s in all: no tones either); of the switch: `notFound`, `playback_timed_out`.",
      }),
    },
  ),
  "digits.sent": plain("Digits are sent to the party.", { digits: z.string() }),
  "digits.failed": plain("They could not be sent.", {
    digits: z.string(),
    reason: z.enum(["not_sent", "unknown_outcome"]).meta({
      description: "`unknown_outcome`: the switch went away under the command, and some may have gone out.",
    }),
  }),
  "dial.started": plain("A second party is dialled; one event for each of several.", {
    leg_id: legId,
    to: z.string().meta({ description: "E.164, or a SIP URI." }),
  }),
  "dial.refused": plain(
    "A number, or a SIP URI, was not dialled. Where it was the only one, or all of them, `call.dial_completed` follows.",
    {
      to: z.string().meta({ description: "E.164, or a SIP URI." }),
      code: z.string().meta({
        description: "A code of the error catalogue, or `sip.not_registered`: no device is.",
        examples: ["wallet.insufficient_funds"],
      }),
      reason: z.enum(refusalReasons).nullable().meta({
        description:
          "As of `calls.refused`; null: what was to be dialled is no number, no device is registered, the SIP server's host leads nowhere, or the call has had all its legs.",
      }),
      message: z.string(),
    },
  ),
  "dial.ringback_failed": plain("The caller hears the ringing tone in place of `ringback`.", {
    url,
    reason: z.string().meta({
      description:
        "As of `play.failed`, and `too_short`: it would have to be played more than 100 times while it may ring.",
    }),
    ...ofOrigin,
  }),
  "stream.started": plain("The WebSocket is open, and the audio goes to it.", {
    stream_id: z.string().meta({ description: "The same as `streamSid` there." }),
    url,
    resumed: z.boolean().meta({ description: "It was opened anew, since Sautikit was restarted." }),
  }),
  "conference.refused": conference("The caller may not enter the room; the next action runs.", {
    reason: z.enum(["full", "locked", "other_box"]).meta({
      description:
        "`full`: `maxParticipants` are inside; `locked`: by POST …/commands; `other_box`: the room is on another media server.",
    }),
  }),
  "conference.joined": conference("The caller is in the room.", {
    ...inRoom,
    muted: z.boolean(),
    members: z.int().meta({ description: "How many are inside, this one too." }),
    start_on_enter: z.boolean(),
    end_on_exit: z.boolean(),
  }),
  "conference.started": conference(
    "Two are in the room, and one of them starts it: they hear each other. Told on the call of each who is inside, also of one " +
      "that comes later.",
    inRoomAtAll,
  ),
  "conference.muted": conference("The caller is no longer heard in the room.", inRoom),
  "conference.unmuted": conference("The caller is heard again.", inRoom),
  "conference.held": conference("The caller hears music in place of the room, and is not heard.", inRoom),
  "conference.unheld": conference("The caller is back in the talk.", inRoom),
  "conference.announced": conference("`say` or `play` of POST …/commands is heard.", ofAnnouncement),
  "conference.announcement_failed": conference("It is not heard.", {
    ...ofAnnouncement,
    reason: z.string().meta({
      description:
        "As of `play.failed` and `say.failed`; `nobody_there`: the one it was for has left; `not_sent`: the media server was away; " +
        "`unknown_outcome`: Sautikit died over it, and it may have been heard.",
    }),
  }),
  "conference.wait_failed": conference("Those who wait hear the tone in place of `waitUrl`.", {
    url,
    reason: z.string().meta({ description: "As of `play.failed`." }),
    ...ofOrigin,
  }),
  "conference.left": conference("The caller is out of the room; unless they hung up the next action runs.", {
    ...inRoom,
    reason: z.enum(["hung_up", "kicked", "ended", "directed", "failed", "left"]).meta({
      description:
        "`kicked` and `ended`: by POST …/commands; `ended` too where one with `endOnExit` went; `directed`: by POST " +
        "…/calls/{id}/actions; `failed`: the media server did not take the leg in within 15 s; `left`: found outside, why is not " +
        "known.",
    }),
    duration_seconds: z.int().meta({ description: "From the entry." }),
  }),
  "conference.ended": conference(
    "The room is over: its last member left, one with `endOnExit`, or `end` was asked for. Told on the call of each who was " +
      "in it until then.",
    inRoomAtAll,
  ),
  "recording.started": plain("The switch began to write.", ofRecording),
  "recording.paused": plain("Silence is written instead of the talk, from here.", ofRecording),
  "recording.resumed": plain("The talk is written again.", ofRecording),
  "recording.stopping": plain("The switch was told to stop.", ofRecording),
  "recording.stopped": plain(
    "The file is closed; `call.recording.ready` follows once it is stored.",
    ofRecording,
  ),
  "recording.empty": plain("There is no audio in it: nothing will be stored.", {
    ...ofRecording,
    ...coverage,
  }),
  "recording.missing": plain("The switch left no file.", { ...ofRecording, ...coverage }),
};

/** What is told by webhook, by kind: `data` of each. */
export const webhookEvents: Readonly<Record<string, EventDescription>> = {
  ...Object.fromEntries(
    callEventKinds.filter((kind) => kind.startsWith("call.")).map((kind) => [kind, callEvents[kind]]),
  ),
  ...Object.fromEntries(conferenceEventKinds.map((kind) => [kind, callEvents[kind]])),
  ...workspaceEvents,
  "webhook.test": plain("You asked for it: POST /v1/webhooks/{id}/test.", {
    webhook_id: z.string().meta({ description: "The endpoint." }),
  }),
};

/** The envelope that everything told by webhook comes in. */
export const envelopeSchema = (kind: string, { happened, data }: EventDescription) =>
  z
    .strictObject({
      kind: z.literal(kind),
      event_id: z.string().meta({ description: "The same at every try: keep those that you have seen." }),
      workspace_id: z.string(),
      occurred_at: time("When it happened, to the millisecond."),
      data,
    })
    .meta({
      id: `Event_${kind.replaceAll(".", "_")}`,
      description: happened,
    });
