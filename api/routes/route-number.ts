import { SautikitError } from "../../engine/errors.ts";
import { isId } from "../../engine/ids.ts";
import { routeNumber, type Routing } from "../../engine/numbers/numbers.ts";
import { rentAt } from "../../engine/numbers/rent.ts";
import { changes } from "../route.ts";
import { numberSchema, numberView, routingBody, routingView } from "../schemas/number.ts";
import { pathId } from "../schemas/text.ts";

export const routeNumberRoute = changes({
  method: "patch",
  path: "/v1/numbers/{id}/routing",
  operationId: "routeNumber",
  tag: "Numbers",
  summary: "Say where a number's calls ask and tell",
  description:
    "What is left out stays, null takes it away. The next calls are routed so; one that runs keeps its voice and events URLs.",
  scope: "numbers.write",
  params: pathId("num", "number"),
  body: routingBody,
  responses: { 200: { description: "The number as it is now.", schema: numberSchema } },
  errors: ["numbers.not_found", "numbers.released", "webhooks.url_not_allowed"],
  async prepare({ parts, body }) {
    for (const field of ["voice_callback_url", "voice_fallback_url", "events_url"] as const) {
      const url = body[field];
      if (typeof url === "string") await parts.checkUrl(url, field);
    }
  },
  async change(tx, { parts, caller, params, body }) {
    if (!isId("num", params.id)) throw new SautikitError("numbers.not_found");
    const routing: Routing = {};
    if (body.voice_callback_url !== undefined) routing.voiceCallbackUrl = body.voice_callback_url;
    if (body.voice_fallback_url !== undefined) routing.voiceFallbackUrl = body.voice_fallback_url;
    if (body.events_url !== undefined) routing.eventsUrl = body.events_url;
    if (body.record !== undefined) routing.record = body.record;
    if (body.ring_sip !== undefined) routing.ringSip = body.ring_sip;
    const { before, after } = await routeNumber(tx, caller.workspace.id, params.id, routing);
    return {
      status: 200,
      body: numberView(after, await rentAt(tx, parts.clock.nowMs())),
      changed: { subject: after.id, before: routingView(before), after: routingView(after) },
    };
  },
});
