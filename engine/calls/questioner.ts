import { VoiceUrl, type Asked } from "../actions/voice-url.ts";
import type { Clock } from "../clock.ts";
import type { Egress } from "../egress/egress.ts";
import type { Ids } from "../ids.ts";
import type { Log } from "../log.ts";
import type { Secrets } from "../secrets.ts";
import { callById, callEventById } from "../store/calls.ts";
import type { Store } from "../store/store.ts";
import { numberById } from "../store/numbers.ts";
import { envelopeOf } from "../webhooks/outbox.ts";
import { voiceSecrets } from "../numbers/numbers.ts";
import { outboxEvent, voiceKeys } from "./call-change.ts";
import type { Command } from "./command.ts";

interface Parts {
  store: Store;
  egress: Egress;
  secrets: Secrets;
  clock: Clock;
  ids: Ids;
  log: Log;
}

/** Asks a call's voice URL with one of its events, as it is stored: asked again, it is the same. */
export class Questioner {
  readonly #parts: Parts;
  readonly #voiceUrl: VoiceUrl;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#voiceUrl = new VoiceUrl(parts);
  }

  /** Throws when `signal` ends it. */
  async ask(command: Extract<Command, { kind: "ask" }>, signal: AbortSignal): Promise<Asked> {
    const { store, secrets, clock, log } = this.#parts;
    const { row, call, number } = await store.read(async (tx) => {
      const row = await callEventById(tx, command.event);
      const call = row && (await callById(tx, row.callId));
      const number = call?.numberId ? await numberById(tx, call.numberId) : undefined;
      return { row, call, number };
    });
    if (!row || !call || !number) throw new Error(`Event ${command.event} has no call of a number.`);
    const event = outboxEvent(call, row);
    const asked = await this.#voiceUrl.ask(
      {
        ...{ eventId: row.id, kind: row.kind, method: command.method },
        ...{ url: command.url, fallbackUrl: number.voiceFallbackUrl },
        body: envelopeOf(event, voiceKeys(call, event)),
        secrets: voiceSecrets(number, secrets, clock.nowMs()),
        trace: call,
      },
      signal,
    );
    const tries = asked.tries.map(({ status, fault, latencyMs }) => ({ status, fault, latencyMs }));
    log.debug({ callId: call.id, event: row.id, kind: row.kind, tries }, "a voice URL was asked");
    return asked;
  }
}
