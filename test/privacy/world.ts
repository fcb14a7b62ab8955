import { inflateRawSync } from "node:zlib";
import { systemClock } from "../../engine/clock.ts";
import { systemIds, type CallId, type RecordingId, type WorkspaceId } from "../../engine/ids.ts";
import { createSettlement } from "../../engine/metering/settlement.ts";
import { legsOfCall } from "../../engine/store/calls.ts";
import { insert, markReady } from "../../engine/store/recordings.ts";
import { createLedger } from "../../engine/wallet/ledger.ts";
import { objectKey } from "../../recordings/object-key.ts";
import type { Storage } from "../../recordings/storage.ts";
import { world, type World } from "../api/world.ts";
import { wav } from "../media/wav.ts";
import { startObjectStorage } from "../peers/object-storage.ts";

const sipIds = systemIds(systemClock);
export const audio = wav({ seconds: 0.1 });

/** The API over a real object storage; what `troubled` overrides of it goes wrong. */
export async function privacyWorld(troubled: Partial<Storage> = {}) {
  const objectStorage = await startObjectStorage();
  const real = objectStorage.storage;
  const storage = new Proxy(real, {
    get: (target, name: keyof Storage) =>
      troubled[name] ??
      ((...args: unknown[]): unknown =>
        Reflect.apply(Reflect.get(target, name) as (...args: unknown[]) => unknown, target, args)),
  });
  // Nobody is told anything here: the URL only has to be one.
  const api = await world({ checkUrl: () => Promise.resolve() }, { storage });
  return {
    ...api,
    storage: real,
    objectStorage,
    troubled,
    async end() {
      await api.end();
      await objectStorage.close();
    },
  };
}
export type PrivacyWorld = Awaited<ReturnType<typeof privacyWorld>>;

/** A call of 47 s that is over and settled, told by webhook, and recorded; with labels that say whom it was with. */
export async function finishedCall(
  api: PrivacyWorld,
  { key, id: workspaceId }: { key: string; id: WorkspaceId },
  { from, to, recorded = true }: { from: string; to: string; recorded?: boolean },
): Promise<{ callId: CallId; recordingId: RecordingId | null; objectKey: string | null }> {
  const placed = await api.ask("POST", "/v1/calls", {
    key,
    headers: { "idempotency-key": api.ids.next("req") },
    body: {
      ...{ from, to, events_url: `https://203.0.113.7/events?for=${encodeURIComponent(to)}` },
      ...{ client_request_id: `order of ${to}`, metadata: { phone: to.slice(1), name: "Otieno" } },
      actions: [{ say: { text: `Hello, ${to}` } }],
    },
  });
  if (placed.status !== 201) throw new Error(placed.text);
  const callId = placed.body.id as CallId;
  const recordingId = await endCall(api, workspaceId, callId, recorded);
  const row = { workspaceId, callId, id: recordingId ?? api.ids.next("rec") };
  return { callId, recordingId, objectKey: recordingId && objectKey(row) };
}

/** As one ends that was answered: settled, and told with the labels that it has by then. */
export async function endCall(
  api: World & { storage: Storage },
  workspaceId: WorkspaceId,
  callId: CallId,
  recorded: boolean,
): Promise<RecordingId | null> {
  const recordingId = recorded ? api.ids.next("rec") : null;
  const endedAtUs = api.clock.nowUs();
  const answeredAtUs = endedAtUs - 47_000_000;
  const settlement = createSettlement({ ledger: createLedger({ ids: api.ids }) });
  await api.store.write(async (tx) => {
    const call = await tx.get<{ metadata: string | null }>("SELECT metadata FROM calls WHERE id = ?", [
      callId,
    ]);
    const metadata: unknown = JSON.parse(call?.metadata ?? "null");
    for (const leg of await legsOfCall(tx, callId)) {
      const times = { startedAtUs: answeredAtUs, ringingAtUs: null, answeredAtUs, endedAtUs };
      const facts = { legId: leg.id, hangupCause: "normal_clearing", sipStatus: null, endedBy: "event" };
      const { billedSeconds, costMinor } = await settlement.settleLeg(
        tx,
        { ...leg, ...times, ...facts },
        api.clock.nowMs(),
      );
      await tx.run(
        `UPDATE legs SET status = 'completed', answered_at_us = ?, ended_at_us = ?, billed_seconds = ?, cost_minor = ? WHERE id = ?`,
        [answeredAtUs, endedAtUs, billedSeconds, costMinor, leg.id],
      );
      if (recordingId) {
        const named = { id: recordingId, callId, legId: leg.id, workspaceId };
        await insert(tx, {
          ...named,
          box: "box",
          status: "starting",
          askedInCall: false,
          createdAtMs: api.clock.nowMs(),
        });
        await tx.run("UPDATE recordings SET status = 'uploading' WHERE id = ?", [recordingId]);
      }
      await tx.run(
        `INSERT INTO call_events (id, call_id, workspace_id, position, sequence, kind, payload, occurred_at_ms, created_at_ms)
         VALUES (?, ?, ?, ?, ?, 'call.completed', ?, ?, ?)`,
        [
          api.ids.next("evt"),
          callId,
          workspaceId,
          1000 + leg.position,
          1000 + leg.position,
          JSON.stringify({ call_id: callId, to: leg.toE164, metadata }),
          api.clock.nowMs(),
          api.clock.nowMs(),
        ],
      );
      const deliveryId = api.ids.next("dlv");
      await tx.run(
        `INSERT INTO deliveries (id, workspace_id, event_id, kind, call_id, url, host, number_id, body, status, attempts, next_attempt_at_ms, created_at_ms)
         SELECT ?, ?, ?, 'call.completed', ?, 'https://203.0.113.7/events', '203.0.113.7', number_id, ?, 'pending', 1, 0, ? FROM calls WHERE id = ?`,
        [
          deliveryId,
          workspaceId,
          api.ids.next("evt"),
          callId,
          JSON.stringify({ to: leg.toE164, metadata }),
          api.clock.nowMs(),
          callId,
        ],
      );
      await tx.run(
        `INSERT INTO delivery_attempts (delivery_id, attempt, attempted_at_ms, status, latency_ms, response)
         VALUES (?, 1, 0, 500, 3, ?)`,
        [deliveryId, `no such customer: ${leg.toE164}`],
      );
    }
    await tx.run("UPDATE calls SET status = 'completed', answered_at_us = ?, ended_at_us = ? WHERE id = ?", [
      answeredAtUs,
      endedAtUs,
      callId,
    ]);
  });
  if (!recordingId) return null;
  const key = objectKey({ workspaceId, callId, id: recordingId });
  await api.storage.putBytes(audio, key, "audio/wav");
  await api.store.write((tx) =>
    markReady(tx, recordingId, {
      ...{ durationMs: 100, trimmedMs: null, talkMs: 100, short: 0, sizeBytes: audio.length },
      ...{ sha256: "0".repeat(64), objectKey: key, storedAtMs: api.clock.nowMs() },
    }),
  );
  return recordingId;
}

/** Every row of every table, as text by table. */
export async function everyRow(api: World): Promise<Map<string, string>> {
  const tables = await api.store.read((tx) =>
    process.env["SAUTIKIT_DATABASE"] === "postgres"
      ? tx.all<{ name: string }>("SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'")
      : tx.all<{ name: string }>(
          "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
        ),
  );
  const rows = new Map<string, string>();
  for (const { name } of tables)
    rows.set(name, JSON.stringify(await api.store.read((tx) => tx.all(`SELECT * FROM ${name}`))));
  return rows;
}

/** The files of a ZIP, by name; by its central directory, as every reader finds them. */
export function unzipped(zip: Buffer): Map<string, Buffer> {
  const files = new Map<string, Buffer>();
  const end = zip.lastIndexOf(Buffer.from("PK\x05\x06", "latin1"));
  let at = zip.readUInt32LE(end + 16);
  for (let left = zip.readUInt16LE(end + 10); left > 0; left--) {
    const [method, size] = [zip.readUInt16LE(at + 10), zip.readUInt32LE(at + 20)];
    const [nameLength, extra, comment] = [28, 30, 32].map((offset) => zip.readUInt16LE(at + offset)) as [
      number,
      number,
      number,
    ];
    const local = zip.readUInt32LE(at + 42);
    const from = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28);
    const data = zip.subarray(from, from + size);
    files.set(
      zip.toString("utf8", at + 46, at + 46 + nameLength),
      method === 0 ? data : inflateRawSync(data),
    );
    at += 46 + nameLength + extra + comment;
  }
  return files;
}

/** Messages of each leg's SIP, as its trace has them: two at a time, each with a text of its own. */
export const keepSip = (api: World, text = "v=0", ofEach = 1) =>
  api.store.write(async (tx) => {
    const legs = await tx.all<{ id: string }>("SELECT id FROM legs");
    for (const { id } of legs)
      for (let n = 0; n < ofEach; n++)
        await tx.run(
          `INSERT INTO sip_messages (id, workspace_id, call_id, leg_id, at_us, direction, transport, method, summary, message,
             created_at_ms) SELECT ?, l.workspace_id, l.call_id, l.id, l.created_at_ms * 1000 + CAST(? AS BIGINT), 'sent',
             'udp', 'INVITE', 'INVITE sip:' || l.to_e164 || '@carrier', CAST(? AS TEXT), l.created_at_ms
           FROM legs l WHERE l.id = ?`,
          [sipIds.next("sipm"), n >> 1, n === 0 ? text : `${text} ${n}`, id],
        );
  });
