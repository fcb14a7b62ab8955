import { once } from "node:events";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { rfc3339Ms } from "../../clock.ts";
import type { CallLog, CarrierCall, PlacedCall } from "./call-log.ts";
import type { Callers } from "./callers.ts";
import { readPlacing } from "./placing.ts";

interface Parts {
  log: CallLog;
  callers: Callers;
  switchAddress: string | undefined;
}

const bodyBytesMax = 10_000;

/**
 * On loopback only, for tests and demonstrations: `GET /calls` is what the carrier saw, `POST /calls` has somebody call
 * the switch, `DELETE /calls/<sip_call_id>` has them hang up, `POST /calls/<sip_call_id>/digits` has whoever is in that
 * call press keys. `PUT /switch` says whom they call by default.
 */
export async function startStatusServer(
  parts: Parts,
  port: number,
): Promise<{ url: string; close(): Promise<void> }> {
  let switchAddress = parts.switchAddress ?? null;
  const server = createServer((request, response) => {
    answer(request).then(
      ([status, body]) => {
        response.writeHead(status, { "content-type": "application/json" });
        response.end(JSON.stringify(body));
      },
      () => response.destroy(),
    );
  });

  async function answer(request: IncomingMessage): Promise<[status: number, body: object]> {
    const [, collection, id, more] = (request.url ?? "").split("/").map(decodeURIComponent);
    const behind = `${id === undefined ? "" : "/id"}${more === undefined ? "" : `/${more}`}`;
    switch (`${request.method} /${collection}${behind}`) {
      case "GET /calls":
        return [200, statusOf(parts.log)];
      case "POST /calls":
        try {
          const { callId } = parts.callers.place(readPlacing(await textOf(request), switchAddress));
          return [201, { sip_call_id: callId }];
        } catch (error) {
          return [400, { error: error instanceof Error ? error.message : String(error) }];
        }
      case "DELETE /calls/id":
        return parts.callers.hangUp(id ?? "") ? [200, {}] : [404, { error: "no such call" }];
      case "POST /calls/id/digits": {
        const keys = await textOf(request);
        if (!/^[0-9*#w]{1,64}$/.test(keys)) return [400, { error: "the body is 1 to 64 of 0-9 * # w" }];
        return press(id ?? "", keys) ? [200, {}] : [404, { error: "nobody is in such a call" }];
      }
      case "PUT /switch":
        switchAddress = await textOf(request);
        return [200, {}];
      default:
        return [404, { error: "only /calls, /calls/<sip_call_id>, /calls/<sip_call_id>/digits, /switch" }];
    }
  }

  /** False: the call is not answered, or over. */
  function press(callId: string, keys: string): boolean {
    const call = [...parts.log.calls, ...parts.log.placed].find((one) => one.callId === callId);
    if (!call?.media || call.answeredAtMs === null || call.endedAtMs !== null) return false;
    call.media.sendDigits(keys);
    return true;
  }

  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url, close: () => closeServer(server) };
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > bodyBytesMax) throw new Error(`the body is longer than ${bodyBytesMax} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

async function closeServer(server: Server): Promise<void> {
  const closed = once(server, "close");
  server.close();
  server.closeAllConnections();
  await closed;
}

const statusOf = (log: CallLog): object => ({
  calls: log.calls.map(callOf),
  placed: log.placed.map(placedOf),
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

const timeOf = (ms: number | null) => (ms === null ? null : rfc3339Ms(ms));
const heardOf = (heard: CarrierCall["heard"]) =>
  heard.map(({ hz, levelDbfs, seconds }) => ({ hz, level_dbfs: levelDbfs, seconds }));
const packetsOf = (media: CarrierCall["media"]) =>
  media && {
    received: media.stats.packetsReceived,
    sent: media.stats.packetsSent,
    lost: media.stats.packetsLost,
    jitter_ms: Math.round(media.stats.jitterMs * 10) / 10,
  };

const callOf = (call: CarrierCall): object => ({
  sip_call_id: call.callId,
  number: call.number,
  from: call.from,
  invited_at: rfc3339Ms(call.invitedAtMs),
  answered_at: timeOf(call.answeredAtMs),
  ended_at: timeOf(call.endedAtMs),
  ended_by: call.endedBy,
  status: call.status,
  q850: call.q850,
  digits: call.digits,
  heard: heardOf(call.heard),
  packets: packetsOf(call.media),
});

const placedOf = (call: PlacedCall): object => ({
  sip_call_id: call.callId,
  from: call.from,
  to: call.to,
  placed_at: rfc3339Ms(call.placedAtMs),
  ringing_at: timeOf(call.ringingAtMs),
  early_media_at: timeOf(call.earlyMediaAtMs),
  answered_at: timeOf(call.answeredAtMs),
  ended_at: timeOf(call.endedAtMs),
  ended_by: call.endedBy,
  status: call.status,
  q850: call.q850,
  digits: call.digits,
  heard: heardOf(call.heard),
  packets: packetsOf(call.media),
});
