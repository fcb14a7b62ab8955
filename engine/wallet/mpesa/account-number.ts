import { accountDigits as digits } from "../../workspaces/workspaces.ts";

const suffixes = digits.length ** 2;
/** "SK" and eight. */
const accountLength = 10;

/**
 * What the next push names: the workspace's account number and two characters that go round, so that whoever reads a
 * record of the payment knows for which of its top-ups it was. Twelve characters, the most that a push may have.
 */
export function nextReference(accountRef: string, last: string | null): string {
  const before = last?.startsWith(accountRef) === true ? last.slice(accountRef.length) : "";
  const [high = "", low = ""] = before;
  const place = before.length === 2 ? digits.indexOf(high) * digits.length + digits.indexOf(low) : -1;
  const next = (place + 1) % suffixes;
  return accountRef + digits.charAt(Math.floor(next / digits.length)) + digits.charAt(next % digits.length);
}

/** An account number as somebody typed it into a phone: blanks, small letters, O for 0, I or L for 1. */
export function typedAccount(text: string): { account: string; reference: string | null } {
  const clean = text.toUpperCase().replace(/[\s-]/g, "").slice(0, 20);
  const read = clean.slice(0, 2) + clean.slice(2).replace(/O/g, "0").replace(/[IL]/g, "1");
  return read.length === accountLength + 2
    ? { account: read.slice(0, accountLength), reference: read }
    : { account: read, reference: null };
}
