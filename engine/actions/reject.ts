import { z } from "zod";
import { done, type Verb } from "./verb.ts";

/** `reject`: an inbound call is refused without being answered, so that it costs nobody anything. */
export const reject: Verb<{ reason?: "rejected" | "busy" | undefined }, Record<string, never>> = {
  name: "reject",
  meaning:
    "Refuses an inbound call that is not answered yet: the caller's network is told that it was declined (603), or that " +
    "the line is busy (486). A call that is answered is hung up.",
  schema: z.strictObject({
    reason: z.enum(["rejected", "busy"]).optional().meta({ description: "Default: rejected." }),
  }),
  begin: ({ reason }) => done([{ kind: "hangUp", cause: reason === "busy" ? "USER_BUSY" : "CALL_REJECTED" }]),
  on: () => null,
};
