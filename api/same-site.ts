import { SautikitError } from "../engine/errors.ts";

/**
 * Throws `auth.cross_site` for a request that changes something and that no page of ours is known to have sent: a session's
 * cookie comes along by itself, whoever wrote the page. Every browser says where a POST, PATCH or DELETE is from.
 */
export function requireSameSite(
  request: { method: string; get(name: string): string | undefined },
  publicUrl: string,
): void {
  if (request.method === "GET" || request.method === "HEAD") return;
  const site = request.get("Sec-Fetch-Site");
  if (site !== undefined && site !== "same-origin") throw new SautikitError("auth.cross_site");
  const told = request.get("Origin");
  if (told === undefined)
    throw new SautikitError(
      "auth.cross_site",
      "A request that changes something and comes with a session needs the header Origin, as browsers send it: " +
        "nothing says which page this one is from.",
    );
  const origin = URL.parse(told);
  const { origin: own, protocol } = new URL(publicUrl);
  // Without TLS a machine has several names, localhost among them; with it there is one, and http pages of it are anybody's.
  const byAnotherName = protocol === "http:" && origin?.host === request.get("Host");
  const ours = origin !== null && (origin.origin === own || byAnotherName);
  if (!ours) throw new SautikitError("auth.cross_site");
}
