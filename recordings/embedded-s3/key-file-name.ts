import { createHash } from "node:crypto";

const escapedLengthMax = 240;
const shortenedLength = 180;

/**
 * A file name for any object key: one path segment of at most 255 ASCII characters, never `.` or `..`, and different
 * for different keys on file systems that ignore case too. Lower-case letters, digits, `-`, `_` and inner dots stand
 * for themselves, `+a` is `A`, all else is `%` and two digits a byte. A longer key is cut, and `~` with its SHA-256
 * put behind.
 */
export function keyFileName(key: string): string {
  const escaped = [...Buffer.from(key)].map(escapeByte).join("").replace(/^\./, "%2e");
  if (escaped.length <= escapedLengthMax) return escaped;
  return `${escaped.slice(0, shortenedLength)}~${createHash("sha256").update(key).digest("hex")}`;
}

/** Undefined when the name was cut, and only the file's own record knows the key. */
export function keyOfFileName(name: string): string | undefined {
  if (name.includes("~")) return undefined;
  return decodeURIComponent(name.replace(/\+([a-z])/g, (_, letter: string) => letter.toUpperCase()));
}

function escapeByte(byte: number): string {
  const character = String.fromCharCode(byte);
  if (/[a-z0-9._-]/.test(character)) return character;
  if (/[A-Z]/.test(character)) return `+${character.toLowerCase()}`;
  return `%${byte.toString(16).padStart(2, "0")}`;
}
