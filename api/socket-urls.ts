import { socketsIn, type Document } from "../engine/actions/document.ts";
import type { ApiParts } from "./parts.ts";

/** Throws `webhooks.url_not_allowed` at the first WebSocket of the document that we would not open. Asks DNS. */
export async function checkSockets(
  { checkSocketUrl }: Pick<ApiParts, "checkSocketUrl">,
  actions: Document = [],
): Promise<void> {
  for (const { field, url } of socketsIn(actions)) await checkSocketUrl(url, `actions${field}`);
}
