import type { Leg } from "./client.ts";

/** Each hums a tone of their own; the numbers are the simulated carrier's. */
export const wanjiru = { name: "Wanjiru", number: "+254700000001", hz: 440 };
export const otieno = { name: "Otieno", number: "+254700000002", hz: 880 };
/** Who calls in. */
export const achieng = { name: "Achieng", number: "+254722000001", hz: 600 };

/** The party of a leg: who was called, or who called us. */
export function nameOf(leg: Leg): string {
  const person = [wanjiru, otieno, achieng].find(
    ({ number }) => number === (leg.direction === "inbound" ? leg.from : leg.to),
  );
  return person ? `${person.name} (${person.number})` : leg.to;
}

export const kes = (minor: number): string => `KES ${(minor / 100).toFixed(2)}`;
