import { z } from "zod";

/** A customer's URL, as it stands in a document; whether we would connect to it the egress says. */
export const httpUrl = z.url({ protocol: /^https?$/, error: "must be an http or https URL" }).max(2048);
