/**
 * A Kenyan mobile number however people write it (07…, 01…, 2547…, +254 7…), in E.164; behind a + stands a country, and that
 * is Kenya. Null: M-Pesa knows no such phone.
 */
export function mobileOf(text: string): string | null {
  const written = text.replace(/[ ()-]/g, "");
  const [, national] = /^(?:\+254|254|0)?([71][0-9]{8})$/.exec(written) ?? [];
  return national === undefined ? null : `+254${national}`;
}

/** Twelve digits, as Daraja wants it. */
export const msisdnOf = (e164: string): string => e164.slice(1);
