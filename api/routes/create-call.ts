import type { z } from "zod";
import type { CallRequest } from "../../engine/calls/call-request.ts";
import { rfc3339Seconds } from "../../engine/clock.ts";
import { SautikitError } from "../../engine/errors.ts";
import type { JsonObject } from "../../engine/json.ts";
import { parseObject, type CallRow } from "../../engine/store/calls.ts";
import type { Tx } from "../../engine/store/store.ts";
import { checkCallbacks } from "../callback-urls.ts";
import { noteRefused } from "../refused-calls.ts";
import { checkSockets } from "../socket-urls.ts";
import { changes, type ApiRequest, type Reply } from "../route.ts";
import { createCallBody, newCallSchema } from "../schemas/call.ts";

type Body = z.output<typeof createCallBody>;
type Asked = ApiRequest<object, object, Body>;

const at = (path: string, operationId: string, summary: string) =>
  changes({
    method: "post",
    path,
    operationId,
    tag: "Calls",
    summary,
    description:
      "Answers before the callee does. Once they do, `actions` run, or `voice_callback_url` is asked for them. What happens " +
      "to the call is told to `events_url`, or to `voice_callback_url` where there is none.\n\n" +
      "With several numbers in `to` all ring at once, and the first to answer has the call: its leg stands first in `legs`, " +
      "and `to` of the call, until then the first number, is its own from there on. The others end `canceled` and are free, " +
      "even one that picked up in the same instant. The call rings when any of them does, and ends without an answer when " +
      "all have; what its `status` and `failure_code` then say is what tells most: `canceled`, then `rejected`, `busy`, " +
      "`no_answer`, `unallocated_number`, `unreachable`, and what failed on the way. A number that may not be called " +
      "refuses the whole request, and `fields` names it (`to[2]`). It is one call for the limits.",
    scope: "calls.write",
    body: createCallBody,
    responses: { 201: { description: "The call is on its way.", schema: newCallSchema } },
    errors: [
      "calls.caller_id_not_owned",
      "calls.destination_not_allowed",
      "calls.destination_refused",
      "calls.rate_too_high",
      "sip.destination_not_allowed",
      "calls.outside_window",
      "calls.spend_cap",
      "calls.velocity",
      "calls.concurrency_limit",
      "calls.rate_limit",
      "wallet.insufficient_funds",
      "webhooks.url_not_allowed",
      "workspace.frozen",
      "shutting_down",
    ],
    async prepare({ parts, body }) {
      if (parts.isDraining()) throw new SautikitError("shutting_down", undefined, { retryAfterSeconds: 1 });
      for (const field of ["voice_callback_url", "events_url"] as const) {
        if (body[field] !== undefined) await parts.checkUrl(body[field], field);
      }
      await checkSockets(parts, body.actions);
      await checkCallbacks(parts, body.actions);
    },
    change: placeCall,
    refused: (error, { parts, caller, body }) =>
      noteRefused(parts, error, { workspaceId: caller.workspace.id, from: body.from, to: firstOf(body.to) }),
  });

export const createCall = at("/v1/calls", "createCall", "Place a call");
export const originateCall = at(
  "/v1/calls/originate",
  "originateCall",
  "Place a call (the same as POST /v1/calls)",
);

async function placeCall(tx: Tx, { parts, caller, body, trace }: Asked): Promise<Reply> {
  try {
    const call = await parts.calls.originate(tx, caller.workspace.id, { ...requestOf(body), trace });
    return { status: 201, body: newCallView(call) };
  } catch (error) {
    throw Array.isArray(body.to) ? error : asWritten(error);
  }
}

function requestOf(body: Body): CallRequest {
  const [first = "", ...others] = Array.isArray(body.to) ? body.to : [body.to];
  return {
    fromE164: body.from,
    toE164: [first, ...others],
    record: body.record === true ? "from-answer" : body.record === false ? null : body.record,
    ringTimeoutSeconds: body.ring_timeout_seconds,
    maxDurationSeconds: body.max_duration_seconds,
    ...(body.caller_id === undefined ? {} : { callerId: body.caller_id }),
    ...(body.voice_callback_url === undefined ? {} : { voiceCallbackUrl: body.voice_callback_url }),
    ...(body.events_url === undefined ? {} : { eventsUrl: body.events_url }),
    ...(body.actions === undefined ? {} : { actions: body.actions }),
    ...(body.client_request_id === undefined ? {} : { clientRequestId: body.client_request_id }),
    ...(body.metadata === undefined ? {} : { metadata: body.metadata }),
  };
}

const newCallView = (call: CallRow): JsonObject => ({
  id: call.id,
  call_id: call.id,
  session_id: call.id,
  status: call.status,
  from: call.fromE164,
  to: call.toE164,
  direction: call.direction,
  created_at: rfc3339Seconds(call.createdAtMs),
  ...(call.clientRequestId === null ? {} : { client_request_id: call.clientRequestId }),
  ...(call.metadata === null ? {} : { metadata: parseObject(call.metadata) }),
});

const firstOf = (to: Body["to"]): string => (Array.isArray(to) ? (to[0] ?? "") : to);

/** A customer who wrote no array is told of `to`. */
function asWritten(error: unknown): unknown {
  if (!(error instanceof SautikitError) || !error.fields.some(({ field }) => field === "to[0]")) return error;
  const fields = error.fields.map((field) => (field.field === "to[0]" ? { ...field, field: "to" } : field));
  const { retryAfterSeconds } = error;
  return new SautikitError(error.code, error.message.replace(/^to\[0\] /, "to "), {
    ...{ fields, cause: error },
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  });
}
