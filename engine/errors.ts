/**
 * The one catalogue of refusals and faults. A code is stable for ever; the API turns it into its status, the OpenAPI
 * document lists it with its meaning and remedy. Busy, no answer and rejected are outcomes of a call, not errors.
 */
export const errorCatalogue = {
  "validation.malformed_json": e(400, "The body is not JSON.", "Send a JSON object in UTF-8."),
  "validation.unknown_field": e(
    400,
    "The request has a field that this endpoint does not know.",
    "Check the spelling of the field named in `fields`.",
  ),
  "validation.invalid": e(
    400,
    "A field has the wrong type or a value out of range.",
    "Mend each field named in `fields`.",
  ),
  "validation.body_too_large": e(413, "The body is larger than 256 KiB.", "Send less."),
  "validation.unsupported_media_type": e(
    415,
    "The body's content type is not JSON.",
    "Send `Content-Type: application/json`.",
  ),
  "auth.missing": e(401, "There is no API key.", "Send `Authorization: Bearer <key>`."),
  "auth.invalid": e(401, "The API key is unknown, revoked or expired.", "Make a new key."),
  "auth.scope": e(
    403,
    "The API key lacks the scope for this.",
    "Use a key that has the scope named in the message.",
  ),
  "auth.role": e(
    403,
    "The role that you have in this workspace does not allow this.",
    "Ask an admin or an owner; docs/people.md says who may do what.",
  ),
  "auth.session": e(401, "Nobody is signed in, or no more.", "Sign in by a link in a mail."),
  "auth.no_workspace": e(
    403,
    "You are a member of no such workspace.",
    "Choose one of yours: `PATCH /v1/session`, or the header X-Sautikit-Workspace.",
  ),
  "auth.cross_site": e(
    403,
    "A page of another site sent this with your session.",
    "Ask from pages of this site, or with an API key.",
  ),
  "sign_in.too_many": e(
    429,
    "Too many links were asked for, to this address or from yours.",
    "Use one that you have, or wait as long as `Retry-After` says.",
  ),
  "sign_in.link_invalid": e(
    410,
    "The link was used, or is older than 15 minutes, or is none of ours.",
    "Ask for a new one.",
  ),
  "sign_up.closed": e(403, "Accounts are opened by invitation only.", "Ask an owner for an invitation."),
  "workspaces.too_many": e(409, "You own as many workspaces as you may: 10.", "Use one that you have."),
  "members.not_found": e(404, "The workspace has no such member.", "Check the id."),
  "members.last_owner": e(409, "A workspace keeps at least one owner.", "Make somebody else an owner first."),
  "invitations.not_found": e(404, "The workspace has no such invitation.", "Check the id."),
  "invitations.accepted": e(409, "The invitation was accepted.", "Remove the member instead."),
  "invitations.already_member": e(409, "That address is a member already.", "Change their role instead."),
  "invitations.too_many": e(
    429,
    "The workspace, or you in all of yours, sent as many invitations as may be in a day: 100.",
    "Try again tomorrow.",
  ),
  "invitations.address_limit": e(
    429,
    "That address was sent as many invitations in a day as one is, by whatever workspaces: 5.",
    "Tell them another way that they are invited, or try again tomorrow.",
  ),
  "invitations.link_invalid": e(
    410,
    "The invitation was accepted, revoked, is older than 7 days, or is none of ours.",
    "Ask who invited you for a new one.",
  ),
  "api_keys.not_found": e(404, "The workspace has no such key.", "Check the id."),
  "workspace.frozen": e(403, "The operator has frozen this workspace.", "Contact support."),
  not_found: e(404, "There is no such thing here.", "Check the path and the id."),
  method_not_allowed: e(405, "The path does not know this method.", "See the OpenAPI document."),
  rate_limited: e(429, "Too many requests.", "Wait as long as `Retry-After` says."),
  "idempotency.invalid_key": e(
    400,
    "The Idempotency-Key is empty, longer than 255 characters, or has control characters.",
    "Send 1 to 255 printable characters.",
  ),
  "idempotency.conflict": e(
    409,
    "This Idempotency-Key was used with another body.",
    "Use a new key for a new request.",
  ),
  "idempotency.in_progress": e(
    409,
    "The first request with this Idempotency-Key is still running.",
    "Try again after `Retry-After`.",
  ),
  "calls.caller_id_not_owned": e(
    403,
    "The number is not an active number of this workspace.",
    "Call from, and present, numbers that you own.",
  ),
  "calls.destination_not_allowed": e(
    422,
    "The destination is an emergency number, a short code, without a rate, or in a country that is not allowed.",
    "See the message; an owner can allow countries.",
  ),
  "calls.destination_refused": e(
    422,
    "The destination begins with a prefix that the workspace's owner, or the operator, has refused.",
    "An owner can take a prefix of their own out of `refused_prefixes`; ask support about the operator's.",
  ),
  "calls.rate_too_high": e(
    422,
    "A minute to the destination costs more than the workspace pays for any.",
    "An owner can raise `highest_rate_per_minute_minor`, up to what the operator allows.",
  ),
  "calls.spend_cap": e(
    429,
    "Calls have cost as much today as they may in a day of the workspace; running calls go on.",
    "Try again after `Retry-After`, the next midnight in Nairobi, or have an owner raise `daily_spend_cap_minor`.",
  ),
  "calls.velocity": e(
    429,
    "The calls of the last minutes look like fraud: many short ones, many numbers of one range, or several at once to a country that was never called before.",
    "See the message; try again after `Retry-After`, or ask support for other limits.",
  ),
  "calls.outside_window": e(
    403,
    "The workspace calls at certain hours only, and this is none of them.",
    "Try again after `Retry-After`, or have an owner change `calling_windows`.",
  ),
  "calls.concurrency_limit": e(
    429,
    "Too many calls at once.",
    "Wait for a call to end, or ask for a higher limit.",
  ),
  "calls.rate_limit": e(
    429,
    "Too many calls placed within a second.",
    "Place calls more slowly, or ask for a higher limit.",
  ),
  "calls.too_many_legs": e(
    409,
    "The call has had as many legs as one may: 2000.",
    "Place another call; this one dials nobody any more.",
  ),
  "calls.not_live": e(409, "The call has ended.", "Nothing to do: an ended call cannot be changed."),
  "calls.not_found": e(404, "There is no such call.", "Check the id."),
  "calls.recording_not_found": e(404, "The call has no such recording.", "Record the call, or check the id."),
  "calls.recording_expired": e(
    410,
    "The recording was deleted or is past its retention.",
    "Nothing to do: it cannot be restored.",
  ),
  "calls.recording_state": e(
    409,
    "The leg's recording cannot go into that state from where it is.",
    "See the message.",
  ),
  "conferences.not_found": e(
    404,
    "There is no conference of that name just now.",
    "Check the name; a conference lives from its first member to its last.",
  ),
  "numbers.not_found": e(404, "The workspace has no such number.", "Check the id."),
  "numbers.released": e(
    409,
    "The number was released: it is the workspace's no more.",
    "Claim another; GET /v1/numbers/available lists them.",
  ),
  "numbers.not_in_inventory": e(
    404,
    "There is no such number to be claimed here.",
    "Take one from GET /v1/numbers/available.",
  ),
  "numbers.already_claimed": e(
    409,
    "Somebody has the number, perhaps since a moment ago. Nothing was debited.",
    "Take another from GET /v1/numbers/available.",
  ),
  "numbers.resting": e(
    409,
    "The number was released lately, and rests before it is given to anybody.",
    "Take another from GET /v1/numbers/available.",
  ),
  "sip.not_found": e(404, "The number has no such SIP credential.", "Check the id."),
  "sip.too_many": e(
    409,
    "The number has as many SIP credentials as it may: 50.",
    "Revoke one that is not used.",
  ),
  "sip.address_banned": e(
    403,
    "Logins failed too often from the device's address: it is banned for a while.",
    "Set the password right on each device there; the operator can lift it sooner (docs/bans.md).",
  ),
  "sip.credential_banned": e(
    403,
    "Logins with the credential's name failed too often: for a while it is let in only from where its devices were registered.",
    "Wait, or rotate the credential, which gives it a name that nobody else knows (docs/bans.md).",
  ),
  "sip.concurrency_limit": e(
    429,
    "The credential's devices have as many calls at once as they may.",
    "Wait for a call to end, or raise its `max_concurrent_calls`.",
  ),
  "sip.rate_limit": e(
    429,
    "The credential's devices placed as many calls within a second as they may.",
    "Place calls more slowly, or raise its `max_calls_per_second`.",
  ),
  "sip.destination_not_allowed": e(
    422,
    "The SIP URI is not on the workspace's list of those that may be dialled, and names no credential and no number of it.",
    "An admin can put it on the list with POST /v1/sip-destinations.",
  ),
  "sip.host_not_allowed": e(
    422,
    "The host has no address, or does not lead to a public one.",
    "Name a host whose name resolves to public IPv4 addresses only.",
  ),
  "sip.destination_not_found": e(404, "The workspace's list has no such SIP destination.", "Check the id."),
  "sip.destination_exists": e(409, "The workspace's list has this SIP destination.", "Nothing to do."),
  "sip.too_many_destinations": e(
    409,
    "The workspace's list has as many SIP destinations as it may: 100.",
    "Remove one that is not used, or name a host without its users.",
  ),
  "sip.unavailable": e(
    503,
    "Direct SIP is not set up here.",
    "Ask the operator; a number's calls can be directed by a voice URL.",
  ),
  "ports.not_found": e(404, "There is no such porting request.", "Check the id."),
  "ports.number_here": e(
    409,
    "The number is in service here already.",
    "A number of another workspace cannot be moved by a porting request; contact support.",
  ),
  "ports.in_inventory": e(
    409,
    "The number is one of ours: nothing has to be moved.",
    "Claim it with POST /v1/numbers; one that was released lately rests for 30 days first.",
  ),
  "ports.already_open": e(
    409,
    "The workspace has asked for this number already.",
    "Look at GET /v1/ports; cancel that request to begin anew.",
  ),
  "ports.closed": e(
    409,
    "The porting request is completed, rejected or canceled.",
    "Nothing to do: make another request where the number is still to be moved.",
  ),
  "ports.not_portable": e(
    422,
    "The number is not one that can be moved here.",
    "Only Kenyan numbers are: E.164, +254 and nine digits.",
  ),
  "ports.document_unsupported": e(
    415,
    "The document is no PDF, JPEG or PNG.",
    "Send the file itself as the body.",
  ),
  "ports.document_too_large": e(413, "The document is larger than 10 MiB.", "Send a smaller scan."),
  "rates.not_found": e(
    404,
    "Calls to that number are not sold: the deck has no rate for it, or it is an emergency, short or premium number.",
    "Check the number; ask support for a destination that you need.",
  ),
  "recordings.not_found": e(404, "There is no such recording.", "Check the id."),
  "media.not_found": e(404, "There is no such prompt.", "Check the id."),
  "media.unsupported": e(
    415,
    "The body is neither a WAV nor an MP3 that can be read.",
    "Send the file itself as the body: WAV (PCM, float, A-law, µ-law) or MP3, whatever its name.",
  ),
  "media.too_large": e(413, "The file is larger than 10 MiB.", "Send an MP3, or a WAV of 8 kHz."),
  "media.too_long": e(422, "The audio is longer than an hour.", "Cut it into pieces."),
  "media.storage_full": e(
    409,
    "The workspace stores as many prompts as it may: 1000, or 200 MB.",
    "Delete some that are no longer used.",
  ),
  "media.busy": e(
    429,
    "Too many uploads at once.",
    "Upload one after another; try again after `Retry-After`.",
  ),
  "wallet.insufficient_funds": e(
    402,
    "The wallet's available balance is zero or less, or does not cover this.",
    "Top up, then try again.",
  ),
  "wallet.statement_not_found": e(
    404,
    "There is no statement of that month.",
    "GET /v1/wallet/statements lists them.",
  ),
  "topups.amount_out_of_range": e(
    422,
    "The amount is not in whole shillings, or is less or more than one top-up may be.",
    "Ask for whole shillings from KES 100 to the most that the message names.",
  ),
  "topups.phone_busy": e(
    409,
    "A prompt is open on that phone.",
    "Have it answered, or try again after `Retry-After`.",
  ),
  "topups.rate_limit": e(
    429,
    "The workspace has asked for as many top-ups as it may within an hour.",
    "Try again after `Retry-After`, or pay by Paybill.",
  ),
  "topups.not_found": e(404, "There is no such top-up.", "Check the id."),
  "topups.unavailable": e(503, "M-Pesa is not set up here.", "Ask the operator."),
  "webhooks.not_found": e(404, "There is no such webhook endpoint.", "Check the id."),
  "webhooks.too_many": e(
    409,
    "The workspace has as many webhook endpoints as it may: 50.",
    "Remove one that is not used; one endpoint can be told of all kinds.",
  ),
  "webhooks.delivery_not_found": e(404, "There is no such delivery.", "Check the id."),
  "webhooks.url_not_allowed": e(
    422,
    "The URL does not lead to a public address.",
    "Use an http(s) URL whose name resolves to public addresses only.",
  ),
  "switch.unavailable": e(
    503,
    "The media server cannot be reached; nothing was done.",
    "Try again after `Retry-After`.",
  ),
  "switch.refused": e(
    502,
    "The media server refused the command; nothing was done.",
    "See the message for the media server's own words.",
  ),
  "switch.unknown_outcome": e(
    503,
    "The media server did not answer; the command may or may not have been run.",
    "Look at the call before you try again.",
  ),
  "webhooks.delivery_erased": e(
    409,
    "What this delivery said was erased, at the request of the person that it was about.",
    "Nothing to do: it cannot be sent again.",
  ),
  "privacy.own_number": e(
    422,
    "The number is the workspace's own, and no other person's.",
    "Name the number of the person who asks.",
  ),
  "privacy.call_is_live": e(409, "A call with that number is under way.", "Try again once it has ended."),
  "privacy.export_not_found": e(404, "The workspace has no such export.", "Check the id."),
  "privacy.erasure_not_found": e(404, "The workspace has no such erasure.", "Check the id."),
  "storage.unavailable": e(503, "The object storage cannot be reached.", "Try again after `Retry-After`."),
  "database.unavailable": e(503, "The database cannot be written.", "Try again after `Retry-After`."),
  shutting_down: e(
    503,
    "The server, or every media server, is draining: no new calls are taken.",
    "Try again: another server, or this one in a moment.",
  ),
  internal: e(500, "A bug of ours.", "Tell support the request id."),
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof errorCatalogue;

interface ErrorEntry {
  status: number;
  meaning: string;
  remedy: string;
}

function e(status: number, meaning: string, remedy: string): ErrorEntry {
  return { status, meaning, remedy };
}

export interface FieldError {
  /** Path of the field as the client wrote it: `to[0]`, `actions[1].play.url`. */
  field: string;
  /** Short, stable: `e164`, `required`, `unknown`, `type`, `range`, … */
  code: string;
  message: string;
}

/** The one error class: a refusal (4xx), or a fault outside (5xx). Told apart by code, never by message. */
export class SautikitError extends Error {
  override readonly name = "SautikitError";
  readonly code: ErrorCode;
  readonly fields: readonly FieldError[];
  /** Whole seconds after which the same request may succeed. */
  readonly retryAfterSeconds: number | undefined;

  constructor(
    code: ErrorCode,
    message?: string,
    options: { fields?: readonly FieldError[]; retryAfterSeconds?: number; cause?: unknown } = {},
  ) {
    super(message ?? errorCatalogue[code].meaning, { cause: options.cause });
    this.code = code;
    this.fields = options.fields ?? [];
    this.retryAfterSeconds = options.retryAfterSeconds;
  }
}

/** That one field of a request is wrong; `message` goes on from its name: "is not in this conference". */
export const invalidField = (field: string, code: string, message: string): SautikitError =>
  new SautikitError("validation.invalid", `${field} ${message}.`, { fields: [{ field, code, message }] });

export const isError = (thrown: unknown, code: ErrorCode): thrown is SautikitError =>
  thrown instanceof SautikitError && thrown.code === code;
