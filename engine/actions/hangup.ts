import { z } from "zod";
import { done, type Verb } from "./verb.ts";

/** `hangup`: ends the call. */
export const hangup: Verb<Record<string, never>, Record<string, never>> = {
  name: "hangup",
  meaning: "Ends the call, both legs of it. An inbound call that is not answered yet is rejected.",
  schema: z.strictObject({}),
  begin: () => done([{ kind: "hangUp" }]),
  on: () => null,
};
