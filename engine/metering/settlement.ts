import { strict as assert } from "node:assert";
import type { CallId, LegId, WorkspaceId } from "../ids.ts";
import { type Cdr, cdrOfLeg, insertCdr } from "../store/cdrs.ts";
import { findPrice } from "../store/rates.ts";
import type { Tx } from "../store/store.ts";
import type { Entry, Ledger } from "../wallet/ledger.ts";
import { splitVat } from "../wallet/money.ts";
import { priceOfLeg } from "./price.ts";

/** A leg that has ended, as the switch stamped it. */
export interface SettledLeg {
  legId: LegId;
  callId: CallId;
  workspaceId: WorkspaceId;
  direction: "outbound" | "inbound";
  fromE164: string;
  toE164: string;
  startedAtUs: number;
  ringingAtUs: number | null;
  answeredAtUs: number | null;
  endedAtUs: number;
  /** Fixed when the leg was dialled. */
  rateMicroKesPerMinute: number;
  hangupCause: string;
  sipStatus: number | null;
  endedBy: string;
}

export interface Settlement {
  /**
   * Writes the leg's CDR and debits what it costs. A leg is settled once: told again, even with other stamps, it
   * answers what the first settlement came to. The caller writes the answer to the leg's row, in the same transaction.
   */
  settleLeg(tx: Tx, leg: SettledLeg, nowMs: number): Promise<{ billedSeconds: number; costMinor: number }>;
}

export function createSettlement({ ledger }: { ledger: Ledger }): Settlement {
  return {
    async settleLeg(tx, leg, nowMs) {
      const cdr = cdrOf(leg, nowMs);
      if (!(await insertCdr(tx, cdr))) {
        const first = await cdrOfLeg(tx, leg.legId);
        assert(first, `${leg.legId} has a CDR, yet not there`);
        return { billedSeconds: first.billedSeconds, costMinor: first.costMinor };
      }
      if (cdr.costMinor > 0) await charge(tx, ledger, cdr);
      return { billedSeconds: cdr.billedSeconds, costMinor: cdr.costMinor };
    },
  };
}

function cdrOf(leg: SettledLeg, nowMs: number): Cdr {
  return {
    legId: leg.legId,
    callId: leg.callId,
    workspaceId: leg.workspaceId,
    fromE164: leg.fromE164,
    toE164: leg.toE164,
    direction: leg.direction,
    startedAtUs: leg.startedAtUs,
    ringingAtUs: leg.ringingAtUs,
    answeredAtUs: leg.answeredAtUs,
    endedAtUs: leg.endedAtUs,
    ringUs: spanUs(leg.ringingAtUs, leg.answeredAtUs ?? leg.endedAtUs),
    talkUs: spanUs(leg.answeredAtUs, leg.endedAtUs),
    ...priceOfLeg(leg),
    rateMicroKesPerMinute: leg.rateMicroKesPerMinute,
    hangupCause: leg.hangupCause,
    sipStatus: leg.sipStatus,
    endedBy: leg.endedBy,
    createdAtMs: nowMs,
  };
}

const spanUs = (fromUs: number | null, toUs: number) => (fromUs === null ? 0 : Math.max(0, toUs - fromUs));

async function charge(tx: Tx, ledger: Ledger, cdr: Cdr): Promise<void> {
  // The supply ends with the call: the tax is that day's, however late we learn of the end.
  const endedAtMs = Math.floor(cdr.endedAtUs / 1000);
  const vat = await findPrice(tx, "vat_basis_points", endedAtMs);
  assert(vat, `no VAT rate had come into effect at ${endedAtMs}: seed or import the deck`);
  const { netMinor, vatMinor } = splitVat(cdr.costMinor, vat.amount);
  const entries: Entry[] = [
    { account: { kind: "wallet", workspaceId: cdr.workspaceId }, amountMinor: -cdr.costMinor },
    { account: { kind: "revenue_calls" }, amountMinor: netMinor },
    { account: { kind: "vat" }, amountMinor: vatMinor },
  ];
  const { posted } = await ledger.post(tx, {
    reference: `${cdr.legId} settled`,
    kind: "call",
    description: descriptionOf(cdr),
    workspaceId: cdr.workspaceId,
    createdAtMs: cdr.createdAtMs,
    entries: entries.filter((entry) => entry.amountMinor !== 0),
  });
  assert(posted, `${cdr.legId} was charged before it had a CDR`);
}

function descriptionOf(cdr: Cdr): string {
  const whom = cdr.direction === "outbound" ? `to ${cdr.toE164}` : `from ${cdr.fromE164}`;
  return `Call ${whom}, ${cdr.billedSeconds} s`;
}
