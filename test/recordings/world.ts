import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pino from "pino";
import { systemClock, type Clock } from "../../engine/clock.ts";
import { systemIds, type CallId, type LegId, type RecordingId, type WorkspaceId } from "../../engine/ids.ts";
import * as recordings from "../../engine/store/recordings.ts";
import type { RecordingRow, RecordingStatus } from "../../engine/store/recordings.ts";
import type { Store } from "../../engine/store/store.ts";
import { startEmbeddedS3, type EmbeddedS3 } from "../../recordings/embedded-s3/server.ts";
import { createStorage, type Storage, type StorageOptions } from "../../recordings/storage.ts";
import { openTestStore } from "../store/test-database.ts";

export const log = pino({ level: "silent" });
export const ids = systemIds(systemClock);
export const box = "box-1";
export const bucket = "recordings";
export const credentials = { accessKeyId: "sautikit", secretAccessKey: "a long secret of the test" };

/** The system's clock, which can be put forward: stamps and back-offs follow, timers run as ever. */
export interface ShiftableClock extends Clock {
  putForward(ms: number): void;
  /** The wall clock alone, as somebody may set the host's. */
  set(ms: number): void;
}

export function shiftableClock(): ShiftableClock {
  let shiftMs = 0;
  let setMs = 0;
  return {
    ...systemClock,
    nowMs: () => systemClock.nowMs() + shiftMs + setMs,
    nowUs: () => systemClock.nowUs() + (shiftMs + setMs) * 1000,
    steadyMs: () => systemClock.steadyMs() + shiftMs,
    monotonicMs: () => systemClock.monotonicMs() + shiftMs,
    putForward: (ms) => void (shiftMs += ms),
    set: (ms) => void (setMs = ms),
  };
}

export interface World {
  directory: string;
  clock: ShiftableClock;
  store: Store;
  workspaceId: WorkspaceId;
  callId: CallId;
  legId: LegId;
  s3: EmbeddedS3;
  storage: Storage;
  close(): Promise<void>;
}

/** Wanjiru's workspace, her call to Otieno (one answered leg), an empty bucket. */
export async function openWorld(): Promise<World> {
  const directory = await mkdtemp(join(tmpdir(), "sautikit-recordings-"));
  const clock = shiftableClock();
  const store = await openTestStore();
  const call = { workspaceId: ids.next("ws"), callId: ids.next("call"), legId: ids.next("leg") };
  const { workspaceId, callId, legId } = call;
  await store.write(async (tx) => {
    await tx.run("INSERT INTO workspaces (id, name, created_at_ms, mpesa_account_ref) VALUES (?, ?, ?, ?)", [
      workspaceId,
      "Wanjiru's",
      clock.nowMs(),
      "WANJIRU",
    ]);
    await tx.run(
      `INSERT INTO calls (id, workspace_id, direction, from_e164, to_e164, status, options, created_at_ms, updated_at_ms)
       VALUES (?, ?, 'outbound', '+254711000001', '+254722000002', 'answered', '{}', 0, 0)`,
      [callId, workspaceId],
    );
  });
  await addLeg({ store, workspaceId, callId }, legId, 0);
  const s3 = await startS3(directory, clock, 0);
  const storage = storageAt(s3.endpoint, clock);
  const world: World = {
    ...call,
    directory,
    clock,
    store,
    s3,
    storage,
    async close() {
      storage.close();
      await world.s3.close();
      await store.close();
      await rm(directory, { recursive: true });
    },
  };
  return world;
}

export async function addLeg(
  { store, workspaceId, callId }: Pick<World, "store" | "workspaceId" | "callId">,
  legId: LegId,
  position: number,
  answeredAtUs: number | null = 1_000_000,
): Promise<void> {
  await store.write((tx) =>
    tx.run(
      `INSERT INTO legs (id, call_id, workspace_id, position, kind, direction, from_e164, to_e164, status, box,
         rate_micro_kes_per_minute, max_duration_seconds, cut_after_seconds, created_at_ms, answered_at_us)
       VALUES (?, ?, ?, ?, 'pstn', 'outbound', '+254711000001', '+254722000002', 'answered', ?, 0, 14400, 14400, 0, ?)`,
      [legId, callId, workspaceId, position, box, answeredAtUs],
    ),
  );
}

export function storageAt(endpoint: string, clock: Clock, options: Partial<StorageOptions> = {}): Storage {
  const known = { region: "ke-nairobi", bucket, ...credentials, forcePathStyle: true };
  return createStorage({ ...known, endpoint, clock, ...options });
}

/** The storage comes back, on its port and with its files. */
export async function reopenS3(world: World): Promise<void> {
  world.s3 = await startS3(world.directory, world.clock, world.s3.port);
}

function startS3(directory: string, clock: Clock, port: number): Promise<EmbeddedS3> {
  return startEmbeddedS3({
    host: "127.0.0.1",
    port,
    directory: join(directory, "s3"),
    region: "ke-nairobi",
    credentials,
    buckets: [bucket],
    clock,
  });
}

/** A recording of the first leg, in that state. */
export async function addRecording(
  world: Pick<World, "store" | "workspaceId" | "callId" | "legId" | "clock">,
  status: RecordingStatus = "uploading",
  legId = world.legId,
  trim = false,
): Promise<RecordingId> {
  const id = ids.next("rec");
  const { workspaceId, callId, store } = world;
  await store.write(async (tx) => {
    await recordings.insert(tx, {
      ...{ id, callId, legId, workspaceId, box },
      status: "starting",
      askedInCall: false,
      trim,
      createdAtMs: world.clock.nowMs(),
    });
    await tx.run("UPDATE recordings SET status = ? WHERE id = ?", [status, id]);
  });
  return id;
}

export async function rowOf(world: World, id: RecordingId): Promise<RecordingRow> {
  const row = await world.store.read((tx) => recordings.byId(tx, world.workspaceId, id));
  if (!row) throw new Error(`No row of ${id}.`);
  return row;
}

export interface WavParts {
  frames: Buffer;
  /** Chunks before and after the data, each a name and its bytes. */
  before?: [string, Buffer][];
  after?: [string, Buffer][];
}

/** A stereo, 16-bit, 8 kHz WAV file, as FreeSWITCH closes it. */
export function wav({ frames, before = [], after = [] }: WavParts): Buffer {
  const format = Buffer.alloc(16);
  format.writeUInt16LE(1, 0);
  format.writeUInt16LE(2, 2);
  format.writeUInt32LE(8000, 4);
  format.writeUInt32LE(32_000, 8);
  format.writeUInt16LE(4, 12);
  format.writeUInt16LE(16, 14);
  const chunks = [
    chunk("fmt ", format),
    ...before.map(asChunk),
    chunk("data", frames),
    ...after.map(asChunk),
  ];
  return chunk("RIFF", Buffer.concat([Buffer.from("WAVE"), ...chunks]));
}

const asChunk = ([name, bytes]: [string, Buffer]) => chunk(name, bytes);

function chunk(name: string, bytes: Buffer): Buffer {
  const header = Buffer.alloc(8, name, "latin1");
  header.writeUInt32LE(bytes.length, 4);
  return Buffer.concat([header, bytes, Buffer.alloc(bytes.length % 2)]);
}

/** As a killed switch leaves it: the lengths of the data and of the file are those of the start. */
export function neverClosed(file: Buffer): Buffer {
  const open = Buffer.from(file);
  open.writeUInt32LE(36, 4);
  open.writeUInt32LE(0, open.indexOf("data") + 4);
  return open;
}

/** Both parties' speech, not one sample of it alike. */
export const speech = (ms: number): Buffer => ids.bytes(ms * 32);

/** There at once and whole. */
export async function spoolFile(folder: string, name: string, content: Buffer | string): Promise<string> {
  const path = join(folder, name);
  await writeFile(`${folder}-${name}`, content);
  await rename(`${folder}-${name}`, path);
  return path;
}

/** Waits until it is so. */
export async function until(
  what: string,
  so: () => boolean | Promise<boolean>,
  withinMs = 10_000,
): Promise<void> {
  const deadlineMs = systemClock.monotonicMs() + withinMs;
  while (!(await so())) {
    if (systemClock.monotonicMs() > deadlineMs) throw new Error(`Not in time: ${what}`);
    await systemClock.sleep(5);
  }
}
