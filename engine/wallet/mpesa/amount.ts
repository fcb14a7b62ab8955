import { centsOfKes, kes } from "../money.ts";

/** Shillings as Safaricom writes them ("5.00", 100.00) in cents, exactly. Null: no amount, or less than a cent. */
export function centsOf(value: unknown): number | null {
  const text = typeof value === "number" ? String(value) : value;
  if (typeof text !== "string") return null;
  const minor = centsOfKes(text.trim().replace(/(\.\d\d)0+$/, "$1"));
  return minor === null || minor === 0 ? null : minor;
}

/** For people: `KES 1,250.00`. */
export const shillings = (minor: number): string => kes(minor).replace(/\B(?=(\d{3})+\.)/g, ",");
