/** How a caller sees their call, as the simulated carrier's page has it (docs/simulator.md). */
export interface CallerView {
  sip_call_id: string;
  answered_at: string | null;
  ended_at: string | null;
  ended_by: "caller" | "callee" | null;
  /** Stretches of whole seconds; Hz of the loudest tone, null: silence. */
  heard: { hz: number | null; level_dbfs: number | null; seconds: number }[];
}

/** The simulated carrier's people, by its page: they call in, press keys and hang up when told to. */
export class CarrierClient {
  readonly #statusUrl: string;

  constructor(statusUrl: string) {
    this.#statusUrl = statusUrl;
  }

  /** Their call's SIP Call-ID. Throws where the carrier does not know the switch. */
  async callIn(caller: { from: string; to: string; tone_hz: number }): Promise<string> {
    const { sip_call_id: id } = await this.#ask<{ sip_call_id: string }>(
      "POST",
      "/calls",
      JSON.stringify(caller),
    );
    return id;
  }

  async press(id: string, keys: string): Promise<void> {
    await this.#ask("POST", `/calls/${encodeURIComponent(id)}/digits`, keys);
  }

  async hangUp(id: string): Promise<void> {
    await this.#ask("DELETE", `/calls/${encodeURIComponent(id)}`);
  }

  async callOf(id: string): Promise<CallerView> {
    const { placed } = await this.#ask<{ placed: CallerView[] }>("GET", "/calls");
    const call = placed.find(({ sip_call_id }) => sip_call_id === id);
    if (!call) throw new Error("The carrier knows nothing of the call.");
    return call;
  }

  async #ask<T>(method: string, path: string, body?: string): Promise<T> {
    const response = await fetch(`${this.#statusUrl}${path}`, {
      method,
      ...(body === undefined ? {} : { body }),
      signal: AbortSignal.timeout(5_000),
    });
    const text = await response.text();
    if (!response.ok)
      throw new Error(`the carrier answered ${method} ${path} with ${response.status}: ${text}`);
    return JSON.parse(text) as T;
  }
}
