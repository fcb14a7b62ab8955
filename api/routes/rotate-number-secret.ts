import { rfc3339Seconds } from "../../engine/clock.ts";
import { SautikitError } from "../../engine/errors.ts";
import { isId } from "../../engine/ids.ts";
import { rotateSigningSecret } from "../../engine/numbers/numbers.ts";
import { changes } from "../route.ts";
import { numberWithSecretSchema } from "../schemas/number.ts";
import { pathId } from "../schemas/text.ts";

export const rotateNumberSecret = changes({
  method: "post",
  path: "/v1/numbers/{id}/rotate-signing-secret",
  operationId: "rotateNumberSecret",
  tag: "Numbers",
  summary: "Make a new voice signing secret",
  description: "For 24 h both secrets sign what goes to the number's URLs and to those of its calls.",
  scope: "numbers.write",
  params: pathId("num", "number"),
  responses: { 200: { description: "The number, with its new secret.", schema: numberWithSecretSchema } },
  errors: ["numbers.not_found", "numbers.released"],
  async change(tx, { parts, caller, params }) {
    if (!isId("num", params.id)) throw new SautikitError("numbers.not_found");
    const { number, voiceSigningSecret } = await rotateSigningSecret(
      tx,
      parts,
      caller.workspace.id,
      params.id,
    );
    const after = {
      id: number.id,
      number: number.e164,
      previous_secret_until: rfc3339Seconds(number.previousSecretUntilMs),
    };
    return {
      status: 200,
      body: after,
      secrets: { voice_signing_secret: voiceSigningSecret },
      changed: { subject: number.id, before: { id: number.id, number: number.e164 }, after },
    };
  },
});
