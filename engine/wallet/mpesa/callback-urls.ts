/** Daraja refuses addresses that have one of these anywhere. */
export const forbiddenWords = ["mpesa", "m-pesa", "safaricom", "exe", "cmd", "sql", "query"] as const;

export const forbiddenIn = (text: string): string | undefined =>
  forbiddenWords.find((word) => text.toLowerCase().includes(word));

/** Where Safaricom reaches us. The token is the secret that stands for a signature, which there is none of. */
export class CallbackUrls {
  readonly #base: () => string;
  readonly #token: string;

  /** `publicUrl` without a slash at the end; a function, since the port may be known late. */
  constructor(publicUrl: () => string, token: string) {
    this.#base = publicUrl;
    this.#token = token;
  }

  /** Of one push. */
  ofPush = (key: string): string => `${this.#at("stk")}/${key}`;
  /** Of what we ask about one payment. */
  ofStatus = (key: string): string => `${this.#at("status")}/${key}`;
  get confirmation(): string {
    return this.#at("c2b/confirmation");
  }
  get validation(): string {
    return this.#at("c2b/validation");
  }

  #at(path: string): string {
    return `${this.#base()}/callbacks/${this.#token}/${path}`;
  }
}
