import { callbacksIn, type Document } from "../engine/actions/document.ts";
import type { ApiParts } from "./parts.ts";

/** Throws `webhooks.url_not_allowed` at the first URL of the document that we would not tell of things. Asks DNS. */
export async function checkCallbacks(
  { checkUrl }: Pick<ApiParts, "checkUrl">,
  actions: Document = [],
): Promise<void> {
  for (const { field, url } of callbacksIn(actions)) await checkUrl(url, `actions${field}`);
}
