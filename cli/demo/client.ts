/** The few requests that the demo makes, as any customer would: over HTTP, with a key. */
export class Client {
  readonly #baseUrl: string;
  readonly #key: string;

  constructor(baseUrl: string, key: string) {
    this.#baseUrl = baseUrl;
    this.#key = key;
  }

  get<T>(path: string): Promise<T> {
    return this.#request<T>("GET", path);
  }

  post<T>(path: string, body?: object): Promise<T> {
    return this.#request<T>("POST", path, body);
  }

  /** Follows the redirect to the presigned link. */
  async download(url: string): Promise<Buffer> {
    const redirect = await fetch(url, {
      headers: this.#headers(),
      redirect: "manual",
      signal: AbortSignal.timeout(5000),
    });
    const location = redirect.headers.get("location");
    if (redirect.status !== 302 || location === null)
      throw new Error(`${url} answered ${redirect.status}, not a link`);
    const response = await fetch(location, { signal: AbortSignal.timeout(10_000) });
    if (!response.ok) throw new Error(`the presigned link answered ${response.status}`);
    return Buffer.from(await response.arrayBuffer());
  }

  async #request<T>(method: string, path: string, body?: object): Promise<T> {
    const response = await fetch(`${this.#baseUrl}${path}`, {
      method,
      headers: this.#headers(),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(10_000),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${text}`);
    return JSON.parse(text) as T;
  }

  #headers() {
    return { Authorization: `Bearer ${this.#key}`, "Content-Type": "application/json" };
  }
}

export interface CallEvent {
  id: string;
  kind: string;
  payload: Record<string, unknown>;
  occurred_at: string;
}

export interface Leg {
  id: string;
  direction: "inbound" | "outbound";
  from: string;
  to: string;
  status: string;
  answered_at: string | null;
  ended_at: string | null;
  billed_seconds: number;
  rate_per_minute_minor: number;
  cost_minor: number;
}

export interface Call {
  id: string;
  status: string;
  duration_seconds: number;
  cost_minor: number;
  legs: Leg[];
  events: CallEvent[];
}

export interface Wallet {
  balance_minor: number;
  accrued_minor: number;
  available_minor: number;
}
