import type { Request } from "express";
import { SautikitError } from "../engine/errors.ts";

/**
 * Throws `auth.cross_site` for a request that changes something and that no page of ours is known to have sent: a session's
 * cookie comes along by itself, whoever wrote the page. Every browser says where a POST, PATCH or DELETE is from.
 */
export function requireSameSite(request: Request, publicUrl: string): void {
  if (request.method === "GET" || request.method === "HEAD") return;
  const site = request.get("Sec-Fetch-Site");
  if (site !== undefined && site !== "same-origin") throw new SautikitError("auth.cross_site");
  const origin = URL.parse(request.get("Origin") ?? "");
  const ours = origin && (origin.origin === new URL(publicUrl).origin || origin.host === request.get("Host"));
  if (!ours) throw new SautikitError("auth.cross_site");
}
