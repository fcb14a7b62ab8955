import { z } from "zod";

export const numberWithSecretSchema = z
  .strictObject({
    id: z.string(),
    number: z.string().meta({ description: "E.164." }),
    previous_secret_until: z
      .string()
      .meta({ format: "date-time", description: "Until then the secret before signs too." }),
    voice_signing_secret: z
      .string()
      .optional()
      .meta({ description: "Shown this once; a replay leaves it out." }),
    secret_omitted: z.literal(true).optional().meta({ description: "This is a replay." }),
  })
  .meta({ id: "NumberWithSecret" });
