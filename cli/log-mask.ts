/** What stands in the place of a secret. */
const hidden = "***";

/** Of one text in a line; what goes on behind it is cut off, so that nothing is looked through for long. */
const lengthMax = 16_384;

/**
 * Takes secrets and phone numbers out of what is logged: by the name of their field, by their shape wherever in a text they
 * stand, and, of `secrets` (those that are configured), by their very text.
 */
export class LogMask {
  readonly #secrets: readonly string[];

  /** Those of less than eight characters are words that occur; the longest first, since one may hold another. */
  constructor(secrets: readonly string[] = []) {
    const forms = secrets
      .filter(({ length }) => length >= 8)
      .flatMap((one) => [one, encodeURIComponent(one)]);
    this.#secrets = [...new Set(forms)].sort((one, other) => other.length - one.length);
  }

  /** A line of JSON, without them; one that is none is masked as a text. */
  line(line: string): string {
    try {
      return `${JSON.stringify(this.#value("", JSON.parse(line)))}\n`;
    } catch {
      return `${this.text(line.trimEnd())}\n`;
    }
  }

  text(whole: string): string {
    let text = whole.length > lengthMax ? `${whole.slice(0, lengthMax)}[cut here]` : whole;
    for (const secret of this.#secrets) text = text.replaceAll(secret, hidden);
    for (const [shape, instead] of shapes) text = text.replace(shape, instead);
    return text.replace(tokens, (run) => (isToken(run) ? hidden : run)).replace(numbers, maskNumber);
  }

  #value(name: string, value: unknown): unknown {
    if (typeof value === "string") return this.#string(name, value);
    if (typeof value !== "object" || value === null) return value;
    if (secretName.test(name)) return hidden;
    if (Array.isArray(value)) return value.map((one) => this.#value(name, one));
    return Object.fromEntries(
      Object.entries(value).map(([key, one]) => [this.text(key), this.#value(key, one)]),
    );
  }

  #string(name: string, text: string): string {
    if (isOurId(text)) return text;
    if (secretName.test(name)) return hidden;
    return hashName.test(name) && /^[0-9a-f]+$/.test(text) ? text : this.text(text);
  }
}

/** What a secret's field is called; a request's or an answer's body is no better. */
const secretName =
  /(^body|password|secret|secrets_?key|token|authorization|cookie|api_?key|access_?key|passkey|credential|ha1|a1_?hash|signature|ticket|nonce|database_?url)s?$/i;

/** Whose hexadecimal digits are there to find things by. */
const hashName = /^(trace_?id|sha_?256)$/i;

const isOurId = (text: string): boolean => /^[a-z]{2,5}_[0-9a-hjkmnp-tv-z]{26}$/.test(text);

const shapes: [RegExp, string][] = [
  // What a parser could not read stands in its message.
  [/, (\.\.\.)?".*"(\.\.\.)? is not valid JSON/gs, `, ${hidden} is not valid JSON`],
  [/\b(tskey_live_|whsec_)[A-Za-z0-9+/=_-]+/g, `$1${hidden}`],
  [/\b(Bearer|Basic) [A-Za-z0-9._~+/=-]{8,}/gi, `$1 ${hidden}`],
  [/\bDigest [^\r\n]*(response|nonce)=[^\r\n]*/gi, `Digest ${hidden}`],
  // Who logs in by a URL, and what a presigned or a mailed link is worth.
  [/(:\/\/)[^\s/@"'<>]+@/g, `$1${hidden}@`],
  [
    /([?&#;](?:x-amz-)?[a-z-]*(?:token|signature|credential|secret|password|key|sig)=)[^&\s"'<>]+/gi,
    `$1${hidden}`,
  ],
  // ESL's login, and a login of the media server's directory.
  [/((?:^|[\s"])(?:user)?auth )\S+/g, `$1${hidden}`],
  [/(a1-hash"? +value=")[^"]*/g, `$1${hidden}`],
  [/("?(?:password|secret|token|passkey)"? ?[:=] ?"?)[^\s"',;}]{4,}/gi, `$1${hidden}`],
  // Safaricom puts the payer's digits behind the time.
  [/\b(ws_CO_\d{0,17})\d*/g, `$1${hidden}`],
];

const tokens = /(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{22,}(?![A-Za-z0-9_-])/g;

/** Made of chance, as ours are: hexadecimal of 16 bytes or more, or capitals, small letters and digits mixed. */
const isToken = (run: string): boolean =>
  /^([0-9a-f]{32,}|[0-9A-F]{32,})$/.test(run) ||
  [/[A-Z]/, /[a-z]/, /\d/].every((letters) => letters.test(run));

/** With a plus, or nine digits and more by themselves, as SIP and Safaricom have them. */
const numbers =
  /(?:\+|%2B)[1-9](?:[ -]?\d){6,14}(?!\d)|(?<![0-9A-Za-z_.+*-])\d{9,15}(?![0-9A-Za-z_-]|\.\d)/gi;

/**
 * A phone number with its middle taken out: +2547*****678, the country and the network, how long it is, and three digits to
 * compare with. Never fewer than four digits are hidden.
 */
export function maskNumber(number: string): string {
  const [plus = ""] = /^(\+|%2B)?/i.exec(number) ?? [];
  const digits = number.slice(plus.length).replace(/\D/g, "");
  const shown = Math.max(0, Math.min(4, digits.length - 8));
  return `${plus}${digits.slice(0, shown)}${"*".repeat(digits.length - shown - 3)}${digits.slice(-3)}`;
}
