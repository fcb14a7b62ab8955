import { strict as assert } from "node:assert";

/**
 * `numerator / denominator` for integers, numerator at least 0: rounded half up, once. Throws where doubles would lose
 * a unit.
 */
export function divideHalfUp(numerator: number, denominator: number): number {
  assert(Number.isSafeInteger(numerator) && numerator >= 0, `cannot round ${numerator}`);
  assert(Number.isSafeInteger(denominator) && denominator > 0, `cannot divide by ${denominator}`);
  const remainder = numerator % denominator;
  const whole = (numerator - remainder) / denominator;
  return remainder >= denominator - remainder ? whole + 1 : whole;
}

/** Splits an amount that includes VAT. The parts' sum is the amount; the tax is rounded half up. */
export function splitVat(grossMinor: number, vatBasisPoints: number): { netMinor: number; vatMinor: number } {
  const vatMinor = divideHalfUp(grossMinor * vatBasisPoints, 10_000 + vatBasisPoints);
  return { netMinor: grossMinor - vatMinor, vatMinor };
}

/** As people read it: `KES 1234.05`, `KES -0.50`. */
export const kes = (minor: number): string => `KES ${decimalKes(minor)}`;

/** KES with two decimals, from cents, without passing through a fraction. */
export function decimalKes(minor: number): string {
  assert(Number.isSafeInteger(minor), `${minor} cents`);
  const digits = String(Math.abs(minor)).padStart(3, "0");
  return `${minor < 0 ? "-" : ""}${digits.slice(0, -2)}.${digits.slice(-2)}`;
}

/** The other way round: shillings as they are typed, `500` or `49.50`, in cents; null: no such amount. */
export function centsOfKes(text: string): number | null {
  const [, shillings, cents = ""] = /^(\d{1,10})(?:\.(\d{1,2}))?$/.exec(text) ?? [];
  return shillings === undefined ? null : Number(shillings) * 100 + Number(cents.padEnd(2, "0"));
}
