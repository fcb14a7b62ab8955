import type { z } from "zod";

/** What an event says: in a webhook's `data`, and in the `payload` of a call's event. */
export interface EventDescription {
  happened: string;
  data: z.ZodObject;
}
