import { isSupportedCountry, parsePhoneNumberFromString } from "libphonenumber-js/max";

/**
 * Codes that reach help, here and where our callers roam: ambulance, fire, police, and lines for people in need. They
 * are never dialled, with a country code before them or not. Whatever else is as short is a short code, refused as well.
 */
const emergencyCodes: ReadonlySet<string> = new Set([
  // Kenya; 112 works wherever GSM does.
  ...["112", "999", "911"],
  // Kenya too: the Red Cross, and the lines for children and against gender violence.
  ...["1199", "116", "1195"],
  // The neighbours: Tanzania, Rwanda, Ethiopia, South Sudan.
  ...["111", "114", "115", "113", "912", "907", "939", "991", "777"],
  // Further away: South Africa, Nigeria, Australia.
  ...["10111", "10177", "767", "000"],
]);

/** Satellite and shared-revenue ranges, and Kenya's premium range: where toll fraud earns. Digits after the +. */
const neverRatedPrefixes = ["870", "881", "882", "883", "979", "254900"] as const;

/** A country's own short numbers have at most so many digits. */
const shortDigitsMax = 6;

export type ParsedE164 =
  /** `country`: ISO 3166 alpha-2; null for a plausible number of a plan that several countries share. */
  { ok: true; e164: string; country: string | null } | { ok: false; reason: string };

/**
 * Reads a number as E.164 wants it written: `+`, then 8 to 15 digits, of a length that its country's plan has. Whether
 * somebody has the number, or the block is given out, is not asked.
 */
export function parseE164(text: string): ParsedE164 {
  if (!/^\+[1-9][0-9]{7,14}$/.test(text))
    return { ok: false, reason: "must be + and 8 to 15 digits, nothing else" };
  const number = parsePhoneNumberFromString(text, { extract: false });
  if (!number) return { ok: false, reason: "has no country code that is in use" };
  if (number.number !== text)
    return { ok: false, reason: `has a trunk prefix after the country code; write ${number.number}` };
  if (!number.isPossible()) return { ok: false, reason: "is not as long as numbers of its country are" };
  return { ok: true, e164: text, country: number.country ?? null };
}

/** Whether there is a numbering plan of a country of that name, ISO 3166 alpha-2. */
export const isCountry = (code: string): boolean => isSupportedCountry(code);

/**
 * A number as carriers write it in an INVITE, whatever they hold to be the usual way: `+254…`, `254…`, `00254…`, and of
 * their own country `0…` or the bare national number. Null: nothing that can be read so (a hidden number, a name).
 */
export function numberFromCarrier(text: string, country: "KE" = "KE"): string | null {
  const [, plus, digits] = /^(\+?)([0-9]{4,17})(?:;.*)?$/s.exec(text) ?? [];
  if (digits === undefined) return null;
  if (plus === "+") return e164Of(`+${digits}`);
  if (digits.startsWith("00")) return e164Of(`+${digits.slice(2)}`);
  if (digits.startsWith("0")) return e164Of(digits, country);
  return e164Of(`+${digits}`) ?? e164Of(digits, country);
}

function e164Of(text: string, country?: "KE"): string | null {
  const number = parsePhoneNumberFromString(text, {
    extract: false,
    ...(country === undefined ? {} : { defaultCountry: country }),
  });
  return number?.isPossible() === true && parseE164(number.number).ok ? number.number : null;
}

/** What a destination is: one to dial, one that is never dialled, or nothing at all. */
export type DestinationClass = "e164" | "emergency" | "shortCode" | "premium" | "invalid";

/** Tells apart what a refusal has to name. Emergency and short codes are known with a country code before them too. */
export function destinationClass(text: string): DestinationClass {
  const short = shortNumber(text);
  if (short !== null) return emergencyCodes.has(short) ? "emergency" : "shortCode";
  if (isNeverRated(text)) return "premium";
  if (!parseE164(text).ok) return "invalid";
  return parsePhoneNumberFromString(text)?.getType() === "PREMIUM_RATE" ? "premium" : "e164";
}

/** True for the ranges that no deck may sell. */
export function isNeverRated(e164: string): boolean {
  return neverRatedPrefixes.some((prefix) => e164.startsWith(`+${prefix}`));
}

/** The code in `999`, `0999` or `+254999`; null where the text is no short number. */
function shortNumber(text: string): string | null {
  const national = nationalPart(text);
  if (national === null) return null;
  if (emergencyCodes.has(national)) return national;
  // A trunk prefix before it does not make it another's.
  const code = national.replace(/^0+/, "");
  return code.length > 0 && code.length <= shortDigitsMax ? code : null;
}

function nationalPart(text: string): string | null {
  if (/^[0-9]+$/.test(text)) return text;
  if (!/^\+[1-9][0-9]+$/.test(text)) return null;
  const number = parsePhoneNumberFromString(text, { extract: false });
  return number && !number.isPossible() ? number.nationalNumber : null;
}
