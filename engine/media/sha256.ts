import { webcrypto } from "node:crypto";

/** Hex. In the thread pool: 10 MiB take longer than an event loop should wait. */
export async function sha256Of(bytes: Uint8Array): Promise<string> {
  return Buffer.from(await webcrypto.subtle.digest("SHA-256", bytes)).toString("hex");
}
