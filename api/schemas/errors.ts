import { z } from "zod";
import { errorCatalogue, type ErrorCode } from "../../engine/errors.ts";

const codes = Object.keys(errorCatalogue) as [ErrorCode, ...ErrorCode[]];

export const errorCode = z.enum(codes).meta({
  id: "ErrorCode",
  description: codes
    .map((code) => {
      const { status, meaning, remedy } = errorCatalogue[code];
      return `- \`${code}\` (${status}): ${meaning} ${remedy}`;
    })
    .join("\n"),
});

export const errorSchema = z
  .strictObject({
    error: z.strictObject({
      code: errorCode,
      message: z.string(),
      request_id: z
        .string()
        .meta({ description: "Tell it to support.", examples: ["req_01j00000000000000000000001"] }),
      fields: z
        .array(
          z.strictObject({
            field: z.string().meta({ examples: ["to[0]"] }),
            code: z.string().meta({ description: "Short and stable.", examples: ["e164"] }),
            message: z.string(),
          }),
        )
        .optional()
        .meta({ description: "Only where a field is at fault." }),
    }),
    message: z.string().meta({ description: "The same as `error.message`." }),
  })
  .meta({ id: "Error" });
