import type { SipId } from "../ids.ts";
import { credentialPace } from "../store/call-pace.ts";
import { standingBanOf, type SipBanRow } from "../store/sip-bans.ts";
import type { ReadTx } from "../store/store.ts";
import { CallRefused } from "./refusal.ts";

/** A customer's device that places a call. */
export interface CallingDevice {
  credentialId: SipId;
  /** Where it calls from; null: nobody knows. */
  address: string | null;
  /** Of its own leg; null: the deck has none. */
  rateMicroKesPerMinute: number | null;
  maxConcurrentCalls: number;
  maxCallsPerSecond: number;
}

/**
 * Throws where its address, or its credential, is banned. The firewall and the media server keep both away by themselves: this is
 * for what came before they knew, and for where there is no firewall.
 */
export async function requireNoBan(
  tx: ReadTx,
  { credentialId, address }: CallingDevice,
  nowMs: number,
): Promise<void> {
  if (address !== null) {
    const ban = await standingBanOf(tx, { kind: "address", subject: address }, nowMs);
    if (ban)
      throw new CallRefused("address_banned", operators(ban, "the device's address"), until(ban, nowMs));
  }
  const ban = await standingBanOf(tx, { kind: "credential", subject: credentialId }, nowMs);
  if (!ban) return;
  const spared = JSON.parse(ban.spared) as string[];
  if (address === null || !spared.includes(address))
    throw new CallRefused("credential_banned", operators(ban, "this SIP credential"), until(ban, nowMs));
}

/** Of a ban that nobody's failed logins began; undefined: what such a refusal says otherwise is true of it. */
const operators = ({ reason }: Pick<SipBanRow, "reason">, what: string): string | undefined =>
  reason === "operator" ? `The operator has banned ${what}.` : undefined;

/** A deck that says nothing of devices' legs lets none of them call. */
export function requireRate({ rateMicroKesPerMinute }: CallingDevice): void {
  if (rateMicroKesPerMinute === null)
    throw new CallRefused("no_rate", "There is no rate for a call that a SIP device places there.");
}

/** Counted from rows, with the workspace kept. */
export async function requireDevicePlace(
  tx: ReadTx,
  { credentialId, maxConcurrentCalls, maxCallsPerSecond }: CallingDevice,
  nowMs: number,
): Promise<void> {
  const { live, placed } = await credentialPace(tx, credentialId, nowMs - 1000);
  if (live >= maxConcurrentCalls)
    throw new CallRefused(
      "credential_concurrency",
      `This SIP credential may have ${maxConcurrentCalls} calls at once.`,
      { retryAfterSeconds: 5 },
    );
  if (placed >= maxCallsPerSecond)
    throw new CallRefused(
      "credential_calls_per_second",
      `This SIP credential may place ${maxCallsPerSecond} calls a second.`,
      { retryAfterSeconds: 1 },
    );
}

const until = ({ untilMs }: SipBanRow, nowMs: number) => ({
  retryAfterSeconds: Math.ceil((untilMs - nowMs) / 1000),
});
