import type { CallId } from "../../engine/ids.ts";
import type { PlacedCallView, Placing } from "../peers/carrier-process.ts";
import { VoiceServer } from "../peers/voice-server.ts";
import { eventually } from "../peers/waiting.ts";
import { nairobi, world, type WorldOptions } from "./world.ts";

let callers = 100_000;
/** Somebody's number, of one test alone. */
export const somebody = () => `+254733${callers++}`;

/** A world whose number has a voice URL, and people who call it. */
export async function inboundWorld(options: WorldOptions = {}) {
  const voice = await VoiceServer.open();
  const on = await world(options);
  await on.store.write((tx) =>
    tx.run("UPDATE numbers SET voice_callback_url = ?, voice_fallback_url = ?", [
      voice.url(),
      voice.url("/fallback"),
    ]),
  );
  const switchAddress = `${on.peer.sip.host}:${on.peer.sip.port}`;

  const callFrom = (from: string): Promise<CallId | undefined> =>
    on.store.read(async (tx) => {
      const rows = await tx.all<{ id: CallId }>(
        "SELECT id FROM calls WHERE direction = 'inbound' AND from_e164 = ? ORDER BY id DESC",
        [from],
      );
      if (rows.length > 1) throw new Error(`${from} was taken in ${rows.length} times`);
      return rows[0]?.id;
    });

  return {
    ...on,
    voice,
    callFrom,
    /** Somebody calls the number; how they see it, and the call that was made of it. */
    async callIn(more: Partial<Placing> = {}) {
      const from = more.from ?? somebody();
      const sip = await on.carrier.place({ to: nairobi, switch: switchAddress, ...more, from });
      return {
        from,
        caller: (when?: (call: PlacedCallView) => boolean) => on.carrier.placed(sip, when),
        hangUp: () => on.carrier.hangUp(sip),
        taken: () => eventually(`the call from ${from}`, () => callFrom(from), { everyMs: 20 }),
      };
    },
    async end(): Promise<void> {
      await on.end();
      await voice.close();
    },
  };
}

export type InboundWorld = Awaited<ReturnType<typeof inboundWorld>>;
