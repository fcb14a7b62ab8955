import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { rfc3339Ms } from "../../clock.ts";
import type { CallLog, CarrierCall } from "./call-log.ts";

/** `GET /calls`, on loopback only: what the carrier saw, for tests and demonstrations. */
export async function startStatusServer(
  log: CallLog,
  port: number,
): Promise<{ url: string; close(): Promise<void> }> {
  const server = createServer((request, response) => {
    const known = request.method === "GET" && request.url === "/calls";
    response.writeHead(known ? 200 : 404, { "content-type": "application/json" });
    response.end(JSON.stringify(known ? statusOf(log) : { error: "only GET /calls" }));
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url, close: () => closeServer(server) };
}

async function closeServer(server: Server): Promise<void> {
  const closed = once(server, "close");
  server.close();
  server.closeAllConnections();
  await closed;
}

const statusOf = (log: CallLog): object => ({
  calls: log.calls.map(callOf),
  numbers: Object.fromEntries(
    [...log.counts].map(([number, counts]) => [
      number,
      {
        invites: counts.invites,
        answered: counts.answered,
        ended_by_carrier: counts.endedByCarrier,
        ended_by_caller: counts.endedByCaller,
      },
    ]),
  ),
});

const callOf = (call: CarrierCall): object => ({
  sip_call_id: call.callId,
  number: call.number,
  from: call.from,
  invited_at: rfc3339Ms(call.invitedAtMs),
  answered_at: call.answeredAtMs === null ? null : rfc3339Ms(call.answeredAtMs),
  ended_at: call.endedAtMs === null ? null : rfc3339Ms(call.endedAtMs),
  ended_by: call.endedBy,
  status: call.status,
  q850: call.q850,
  digits: call.digits,
  heard: call.heard.map(({ hz, levelDbfs, seconds }) => ({ hz, level_dbfs: levelDbfs, seconds })),
  packets: call.media && {
    received: call.media.stats.packetsReceived,
    sent: call.media.stats.packetsSent,
    lost: call.media.stats.packetsLost,
    jitter_ms: Math.round(call.media.stats.jitterMs * 10) / 10,
  },
});
