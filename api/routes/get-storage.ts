import { z } from "zod";
import { storageView } from "../../engine/metering/storage-view.ts";
import { answers } from "../route.ts";

export const getStorage = answers({
  method: "get",
  path: "/v1/storage",
  operationId: "getStorage",
  tag: "Recordings",
  summary: "What the recordings take, and what that will cost",
  description:
    "A GB is 10⁹ bytes. What is free is free on a month's average (East Africa Time); what is above is charged once the " +
    "month is over, at the prices of its first day. Uploaded prompts do not count.",
  scope: "recordings.read",
  responses: {
    200: {
      description: "This month's storage.",
      schema: z
        .strictObject({
          used_bytes: z.int().meta({ description: "All recordings that are stored now." }),
          free_bytes: z.int().meta({ description: "What costs nothing." }),
          month: z.string().meta({ description: "This month.", examples: ["2026-11"] }),
          average_bytes: z.int().meta({ description: "On average since the month began." }),
          projected_charge_minor: z
            .int()
            .meta({ description: "KES cents, VAT included: the month, if all stays as it is now." }),
          gb_month_minor: z.int().meta({ description: "KES cents for a GB and month above what is free." }),
          currency: z.literal("KES"),
          location: z
            .string()
            .nullable()
            .meta({ description: "Where the recordings are, as the operator says; null: unsaid." }),
        })
        .meta({ id: "Storage" }),
    },
  },
  errors: [],
  async answer({ parts, caller }) {
    const { id } = caller.workspace;
    const storage = await parts.store.read((tx) => storageView(tx, id, parts.clock.nowMs()));
    const body = {
      used_bytes: storage.usedBytes,
      free_bytes: storage.freeBytes,
      month: storage.month,
      average_bytes: storage.averageBytes,
      projected_charge_minor: storage.projectedChargeMinor,
      gb_month_minor: storage.gbMonthMinor,
      currency: "KES",
      location: parts.storageLocation,
    };
    return { status: 200, body };
  },
});
