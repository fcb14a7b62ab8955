import { z } from "zod";
import { publicPricing, publicPricingJson } from "../../engine/metering/public-pricing.ts";
import { isPublic } from "../route.ts";

export const getPublicPricing = isPublic({
  method: "get",
  path: "/v1/public/pricing",
  operationId: "getPublicPricing",
  tag: "Public",
  summary: "Today's prices, for everybody",
  description:
    "No key. Any web page may read it (CORS, with a preflight), and anyone may cache it for five minutes. Parameters, as " +
    "are added against caches, are passed over.",
  scope: null,
  responses: {
    200: {
      description: "Prices in KES.",
      schema: z
        .strictObject({
          currency: z.literal("KES"),
          number_monthly_kes: z.number(),
          outbound_per_min_kes: z.number(),
          inbound_per_min_kes: z.number(),
          recording_free_gb: z.number(),
          updated_at: z.string().meta({ format: "date-time" }),
        })
        .meta({ id: "PublicPricing" }),
    },
  },
  errors: [],
  async answer(parts) {
    const nowMs = parts.clock.nowMs();
    const pricing = await parts.store.read((tx) => publicPricing(tx, nowMs));
    const headers = { "Cache-Control": "public, max-age=300" };
    return { status: 200, headers, body: publicPricingJson(pricing) };
  },
});
