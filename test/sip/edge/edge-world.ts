import { pino } from "pino";
import { systemClock } from "../../../engine/clock.ts";
import { systemIds } from "../../../engine/ids.ts";
import type { SipAgent } from "../../../engine/simulator/sip/call.ts";
import type { SipResponse } from "../../../engine/simulator/sip/message.ts";
import { Edge, type EdgeBox } from "../../../engine/sip/edge/edge.ts";
import { readTrunkFile, type Trunk } from "../../../engine/sip/trunks/trunk-file.ts";
import { startEdgeUnderTest, type EdgeUnderTest } from "../../peers/edge-under-test.ts";
import { eventually } from "../../peers/waiting.ts";
import { testDatabase } from "../../store/test-database.ts";

const ids = systemIds(systemClock);

export function trunksIn(...trunks: readonly Record<string, unknown>[]): readonly Trunk[] {
  const read = readTrunkFile(JSON.stringify({ trunks }), { secretOf: () => undefined, edge: true });
  if (!read.ok) throw new Error(JSON.stringify(read.bad));
  return read.trunks;
}

/** The edge in this process, beside the drachtio-server under test; boxes and trunks are the test's. */
export async function edgeWorld() {
  const first: EdgeUnderTest = await startEdgeUnderTest();
  const database = await testDatabase();
  const store = await database.open();
  let trunks: readonly Trunk[] = [];
  const boxes: EdgeBox[] = [];
  const edge = new Edge({
    ...{ drachtio: first.admin, store, clock: systemClock, ids, trunks: () => trunks, boxes },
    log: pino({ level: "silent" }),
  });
  edge.start();
  await eventually("the connection", () => edge.connected || undefined);
  const world = {
    ...{ server: first, store, edge },
    setTrunks: (now: readonly Trunk[]) => (trunks = now),
    setBoxes: (...now: readonly EdgeBox[]) => boxes.splice(0, boxes.length, ...now),
    /** That box has a leg more, as far as the edge knows. */
    addLeg: (box: string) =>
      database.byHand(`INSERT INTO legs (id, call_id, workspace_id, position, kind, direction, from_e164, to_e164, status, box,
        rate_micro_kes_per_minute, created_at_ms, max_duration_seconds, cut_after_seconds)
        VALUES ('leg_${box}', 'call_${box}', 'ws_1', 0, 'pstn', 'inbound', '+1', '+2', 'answered', '${box}', 0, 0, 0, 0)`),
    /** A device of the number is registered at that box, for so long. */
    addDevice: (box: string, e164: string, expiresAtMs: number) =>
      database.byHand(`INSERT INTO numbers (id, workspace_id, held_e164, e164, country, voice_signing_secret, provisioned_at_ms)
          VALUES ('num_${box}', 'ws_1', '${e164}', '${e164}', 'ke', '', 0);
        INSERT INTO sip_credentials (id, workspace_id, number_id, label, created_at_ms)
          VALUES ('sip_${box}', 'ws_1', 'num_${box}', '', 0);
        INSERT INTO sip_logins (username, credential_id, ha1, created_at_ms) VALUES ('${box}', 'sip_${box}', '', 0);
        INSERT INTO sip_registrations (box, username, sip_call_id, contact_uri, contact, transport, address, port, user_agent,
          expires_at_ms) VALUES ('${box}', '${box}', '1', '', 'sip:a@b', 'udp', '', 0, '', ${expiresAtMs})`),
    connected: () => eventually("the connection", () => edge.connected || undefined),
    async end() {
      await edge.stop();
      // Which may be another by now.
      await world.server.stop();
      await store.close();
      await database.remove();
    },
  };
  return world;
}

export const boxAt = (
  name: string,
  { host, port }: SipAgent,
  { up = true, draining = false } = {},
): EdgeBox => ({
  ...{ name, sip: { host, port } },
  isUp: () => up,
  isDraining: () => draining,
});

/** A request outside of dialogs to the edge, from that agent. */
export const asks = (
  agent: SipAgent,
  method: string,
  to: { host: string; port: number },
  uri = `sip:+254200000001@${to.host}:${to.port}`,
): Promise<SipResponse> =>
  agent.request({
    ...{ method, uri, to, party: `wanjiru@${agent.host}`, seq: 1 },
    callId: `${ids.bytes(8).toString("hex")}@${agent.host}`,
  });
