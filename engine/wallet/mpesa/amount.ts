/** Shillings as Safaricom writes them ("5.00", 100.00) in cents, exactly. Null: no amount, or less than a cent. */
export function centsOf(value: unknown): number | null {
  const text = typeof value === "number" ? String(value) : value;
  if (typeof text !== "string") return null;
  const [, shillings, cents = ""] = /^\s*(\d{1,10})(?:\.(\d{1,2})0*)?\s*$/.exec(text) ?? [];
  if (shillings === undefined) return null;
  const minor = Number(shillings) * 100 + Number(cents.padEnd(2, "0"));
  return minor > 0 ? minor : null;
}

/** For people: `KES 1,250.00`. */
export const shillings = (minor: number): string =>
  `KES ${String(Math.floor(minor / 100)).replace(/\B(?=(\d{3})+$)/g, ",")}.${String(minor % 100).padStart(2, "0")}`;
