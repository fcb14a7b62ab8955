import type { Ids } from "../ids.ts";
import { sha256 } from "../secrets.ts";

/** 256 bits: what is handed out (a link, a cookie), and its hash, which is all that is kept. */
export function newToken(ids: Ids): { token: string; tokenSha256: string } {
  const token = ids.bytes(32).toString("base64url");
  return { token, tokenSha256: sha256(token) };
}
