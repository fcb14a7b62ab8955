/** What must be in no log: by what it is. */
export type Known = ReadonlyMap<string, string>;

/**
 * Which of them occur in what was logged, each with the beginning of its line. A secret is looked for as it is,
 * percent-encoded, and in base64; a phone number by its last nine digits, which are the same however it is written.
 */
export function leaksIn(output: string, known: { secrets: Known; numbers: readonly string[] }): string[] {
  const sought = new Map<string, string>();
  for (const [what, secret] of known.secrets) {
    if (secret.length < 6) throw new Error(`${what} is too short to be looked for: "${secret}"`);
    for (const form of [secret, encodeURIComponent(secret), Buffer.from(secret).toString("base64")])
      sought.set(form, what);
  }
  for (const number of known.numbers) sought.set(number.replace(/\D/g, "").slice(-9), "a phone number");
  return output.split("\n").flatMap((line) =>
    [...sought].flatMap(([text, what]) => {
      const at = line.indexOf(text);
      return at < 0 ? [] : [`${what}, in: ${line.slice(Math.max(0, at - 80), at + 80)}`];
    }),
  );
}
