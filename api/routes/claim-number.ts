import { z } from "zod";
import { SautikitError } from "../../engine/errors.ts";
import { isId } from "../../engine/ids.ts";
import { claimNumber, type Wanted } from "../../engine/numbers/claims.ts";
import { rentAt } from "../../engine/numbers/rent.ts";
import type { Tx } from "../../engine/store/store.ts";
import type { ApiParts } from "../parts.ts";
import { changes, type ApiRequest, type Reply } from "../route.ts";
import { claimBody, claimedNumberSchema, claimedNumberView } from "../schemas/number.ts";
import { ownE164 } from "../schemas/text.ts";

type Body = z.output<typeof claimBody>;

const facts = {
  method: "post",
  tag: "Numbers",
  description:
    "The first month is debited with it: both are done, or neither. The number is in service when the answer is there. " +
    "It is renewed each month, on the day of the claim in East Africa Time.",
  scope: "numbers.claim",
  responses: {
    201: { description: "The number is the workspace's, and in service.", schema: claimedNumberSchema },
  },
  errors: [
    "numbers.not_in_inventory",
    "numbers.already_claimed",
    "numbers.resting",
    "wallet.insufficient_funds",
    "webhooks.url_not_allowed",
    "workspace.frozen",
  ],
} as const;

export const createNumber = changes({
  ...facts,
  path: "/v1/numbers",
  operationId: "createNumber",
  summary: "Claim a number",
  body: z.strictObject({
    number: ownE164.meta({ description: "E.164, of GET /v1/numbers/available." }),
    ...claimBody.shape,
  }),
  prepare: checkUrls,
  change: (tx, request) => claim(tx, request, { number: request.body.number }),
});

export const claimInventory = changes({
  ...facts,
  path: "/v1/numbers/{inventory_id}/claim",
  operationId: "claimNumber",
  summary: "Claim a number by its id in the inventory",
  params: z.strictObject({
    inventory_id: z.string().meta({
      description: "Of GET /v1/numbers/available.",
      examples: ["inv_01j00000000000000000000001"],
    }),
  }),
  body: claimBody,
  prepare: checkUrls,
  change(tx, request) {
    const inventoryId = request.params.inventory_id;
    if (!isId("inv", inventoryId)) throw new SautikitError("numbers.not_in_inventory");
    return claim(tx, request, { inventoryId });
  },
});

async function checkUrls({ parts, body }: { parts: ApiParts; body: Body }): Promise<void> {
  for (const field of ["voice_callback_url", "events_url"] as const)
    if (body[field] !== undefined) await parts.checkUrl(body[field], field);
}

async function claim(tx: Tx, request: ApiRequest<object, object, Body>, wanted: Wanted): Promise<Reply> {
  const { parts, caller, body } = request;
  const { number, voiceSigningSecret } = await claimNumber(tx, parts.numbers, caller.workspace.id, wanted, {
    voiceCallbackUrl: body.voice_callback_url ?? null,
    eventsUrl: body.events_url ?? null,
  });
  const view = claimedNumberView(number, await rentAt(tx, number.provisionedAtMs));
  return {
    status: 201,
    body: view,
    secrets: { voice_signing_secret: voiceSigningSecret },
    changed: { subject: number.id, before: null, after: view },
  };
}
