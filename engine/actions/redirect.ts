import { z } from "zod";
import { httpUrl } from "./http-url.ts";
import { done, type Verb } from "./verb.ts";

/** `redirect`: asks another URL for the document that replaces this one. */
export const redirect: Verb<{ url: string; method?: "POST" | "GET" | undefined }, Record<string, never>> = {
  name: "redirect",
  meaning:
    "Asks that URL, as the voice URL is asked, for the document that replaces this one (`call.redirected`). Without one " +
    "the next action runs. At most 20 in a row with nothing else between them.",
  schema: z.strictObject({
    url: httpUrl.meta({ description: "http(s)." }),
    method: z
      .enum(["POST", "GET"])
      .optional()
      .meta({ description: "GET has CallId, From and To in its query, and no body. Default: POST." }),
  }),
  begin: ({ url, method }) =>
    done([
      {
        kind: "ask",
        event: "call.redirected",
        payload: { url },
        url,
        ...(method === undefined ? {} : { method }),
      },
    ]),
  on: () => null,
};
