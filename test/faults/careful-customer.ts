import assert from "node:assert/strict";
import { eventually } from "../peers/waiting.ts";
import { nairobi, type TestWorld } from "../world/world.ts";

/** A call that was asked for again and again. */
export interface Placed {
  number: string;
  callId: string;
  /** More than one: two calls were made of one request. */
  ids: Set<string>;
}

/** What a careful client does: the same request with the same key until there is an answer that it can keep. */
export async function placeUntilTaken(
  { customer, inbox }: TestWorld,
  number: string,
  { withinMs = 40_000, everyMs = 500 } = {},
): Promise<Placed> {
  const ids = new Set<string>();
  // Once more than needed, to be sure of it.
  for (const what of ["an answer", "the same answer"]) {
    const answer = await eventually(
      `${what} for ${number}`,
      async () => {
        const given = await customer.ask("POST", "/v1/calls", {
          body: { from: nairobi, to: number, events_url: inbox.url },
          headers: { "idempotency-key": number },
        });
        if (given.status === 201) return given;
        assert.equal(given.status, 503, JSON.stringify(given.body));
        return undefined;
      },
      { withinMs, everyMs },
    );
    ids.add(String(answer.body.id));
  }
  const [callId = ""] = ids;
  return { number, callId, ids };
}
