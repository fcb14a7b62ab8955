import { z } from "zod";

const metadataBytesMax = 4096;
const metadataKeysMax = 20;

/** A whole number that doubles cannot hold would come back as another one. */
const exactNumber = z.number().refine((value) => !Number.isInteger(value) || Number.isSafeInteger(value), {
  error: "is too large to be kept exactly; send it as a string",
  params: { code: "range" },
});

/** What customers hang on a call, or hand on to a bot, and get back as it was. */
export const metadata = z
  .record(z.string(), z.union([z.string(), exactNumber, z.boolean(), z.null()]))
  .refine((object) => Object.keys(object).length <= metadataKeysMax, {
    error: `must have at most ${metadataKeysMax} keys`,
    params: { code: "length" },
  })
  .refine((object) => Buffer.byteLength(JSON.stringify(object)) <= metadataBytesMax, {
    error: "must be at most 4 KiB of JSON",
    params: { code: "length" },
  })
  .meta({ description: "A flat object of at most 20 keys and 4 KiB, echoed in answers and events." });
