/** What an API key may be allowed to do. */
export const scopes = [
  "calls.read",
  "calls.write",
  "calls.supervise",
  "numbers.read",
  "numbers.write",
  "numbers.claim",
  "wallet.read",
  "wallet.write",
  "webhooks.manage",
  "recordings.read",
  "recordings.delete",
  "sip.manage",
  "webrtc.token",
  "audit.read",
  "keys.manage",
] as const;
export type Scope = (typeof scopes)[number];

/** Of a key that was made without naming any: a leaked one cannot make others. */
export const defaultScopes: readonly Scope[] = scopes.filter((scope) => scope !== "keys.manage");
