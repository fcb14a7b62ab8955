import { createHash } from "node:crypto";
import type { SipRequest, SipResponse } from "./message.ts";

export interface Login {
  username: string;
  password: string;
}

/** As the parser gives it: a value that stood in quotes has them still. */
export type Credentials = Readonly<Record<string, string | undefined>>;

const md5 = (text: string): string => createHash("md5").update(text).digest("hex");

/** RFC 2617 §3.2.2.2, for MD5. */
export const ha1Of = ({ username, password }: Login, realm: string): string =>
  md5(`${username}:${realm}:${password}`);

/** §3.2.2.1: with `qop` as all but the oldest clients have it. */
export function digestResponse(
  ha1: string,
  method: string,
  { nonce, uri, nc, cnonce, qop }: Record<"nonce" | "uri" | "nc" | "cnonce" | "qop", string | undefined>,
): string {
  const ha2 = md5(`${method}:${uri}`);
  const parts = nc && cnonce && qop ? [ha1, nonce, nc, cnonce, qop, ha2] : [ha1, nonce, ha2];
  return md5(parts.join(":"));
}

/** A field of credentials or a challenge, without its quotes. */
export const fieldOf = (credentials: Credentials, name: string): string | undefined =>
  credentials[name]?.replace(/^"(.*)"$/s, "$1");

/** What a request has in answer to a challenge. */
export function credentialsOf(request: SipRequest, header: string): Credentials | undefined {
  const list = request.headers[header];
  return Array.isArray(list) ? (list[0] as Credentials | undefined) : undefined;
}

/** The headers with which to ask again; undefined where the response asks for no login. */
export function answerChallenge(
  request: SipRequest,
  response: SipResponse,
  login: Login,
  cnonce: string,
): Readonly<Record<string, unknown>> | undefined {
  const [asks, answers] =
    response.status === 407
      ? ["proxy-authenticate", "proxy-authorization"]
      : ["www-authenticate", "authorization"];
  const challenge = (response.headers[asks] as Credentials[] | undefined)?.[0];
  const realm = challenge && fieldOf(challenge, "realm");
  const nonce = challenge && fieldOf(challenge, "nonce");
  if (realm === undefined || nonce === undefined) return undefined;
  const uri = request.uri;
  const nc = "00000001";
  const proof = digestResponse(ha1Of(login, realm), request.method, { nonce, uri, nc, cnonce, qop: "auth" });
  const quoted = { username: login.username, realm, nonce, uri, response: proof, cnonce };
  return {
    [answers]: [
      {
        scheme: "Digest",
        ...Object.fromEntries(Object.entries(quoted).map(([name, value]) => [name, `"${value}"`])),
        ...{ algorithm: "MD5", qop: "auth", nc },
      },
    ],
  };
}
