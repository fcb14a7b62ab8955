import type { Clock } from "../../clock.ts";
import type { EslEvent } from "./esl-frames.ts";

export type EventListener = (event: EslEvent) => void;

/** Numbers, dates and hands out the switch's events. */
export class EventBus {
  readonly coreUuid: string;
  readonly #clock: Clock;
  readonly hostname: string;
  readonly #listeners = new Set<EventListener>();
  #sequence = 0;

  constructor(options: { clock: Clock; coreUuid: string; hostname: string }) {
    this.coreUuid = options.coreUuid;
    this.#clock = options.clock;
    this.hostname = options.hostname;
  }

  subscribe(listener: EventListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  publish(name: string, headers: Iterable<readonly [string, string]>, body?: string): void {
    const event = this.make(name, headers, body);
    for (const listener of this.#listeners) listener(event);
  }

  /** An event that nobody is sent: uuid_dump answers with one. */
  make(name: string, headers: Iterable<readonly [string, string]>, body?: string): EslEvent {
    const nowUs = tickUs(this.#clock);
    const date = new Date(nowUs / 1000);
    this.#sequence += 1;
    const all = new Map<string, string>([
      ["Event-Name", name],
      ["Core-UUID", this.coreUuid],
      ["FreeSWITCH-Hostname", this.hostname],
      ["FreeSWITCH-Switchname", this.hostname],
      ["FreeSWITCH-IPv4", "127.0.0.1"],
      ["FreeSWITCH-IPv6", "::1"],
      ["Event-Date-Local", localStamp(nowUs)],
      ["Event-Date-GMT", date.toUTCString()],
      ["Event-Date-Timestamp", String(nowUs)],
      ["Event-Calling-File", "simulator"],
      ["Event-Calling-Function", name.toLowerCase()],
      ["Event-Calling-Line-Number", "1"],
      ["Event-Sequence", String(this.#sequence)],
      ...headers,
    ]);
    return { name, headers: all, ...(body === undefined ? {} : { body }) };
  }
}

/** Every stamp of the switch steps by its 20 ms tick; µs since the epoch. */
export const tickUs = (clock: Clock): number => Math.floor(clock.nowUs() / 20_000) * 20_000;

/** `2026-11-24 23:29:33`; the simulated box keeps UTC. */
export const localStamp = (epochUs: number): string =>
  new Date(epochUs / 1000).toISOString().slice(0, 19).replace("T", " ");
