import { sessionMs } from "../engine/people/sign-in.ts";

/** `__Host-`: no other host of the same domain can have set it, and no plain-http page. */
const nameAt = (publicUrl: string) => (isHttps(publicUrl) ? "__Host-sautikit" : "sautikit");
const isHttps = (publicUrl: string) => publicUrl.startsWith("https:");

export const sessionCookie = (publicUrl: string, token: string): string =>
  cookie(publicUrl, token, sessionMs / 1000);

export const noSessionCookie = (publicUrl: string): string => cookie(publicUrl, "", 0);

/** What the browser sent of it. */
export function sessionTokenOf(publicUrl: string, header: string | undefined): string | undefined {
  const name = nameAt(publicUrl);
  for (const pair of header?.split(";") ?? []) {
    const [key, value] = pair.trim().split("=");
    if (key === name && value !== undefined && /^[A-Za-z0-9_-]{43}$/.test(value)) return value;
  }
  return undefined;
}

function cookie(publicUrl: string, value: string, maxAgeSeconds: number): string {
  const parts = [
    `${nameAt(publicUrl)}=${value}`,
    "Path=/",
    `Max-Age=${maxAgeSeconds}`,
    "HttpOnly",
    "SameSite=Lax",
  ];
  return [...parts, ...(isHttps(publicUrl) ? ["Secure"] : [])].join("; ");
}
