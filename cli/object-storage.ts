import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../engine/clock.ts";
import type { Ids } from "../engine/ids.ts";
import type { Log } from "../engine/log.ts";
import { startEmbeddedS3, type EmbeddedS3 } from "../recordings/embedded-s3/server.ts";
import { createStorage, type Storage, type StorageOptions } from "../recordings/storage.ts";
import type { Config } from "./config.ts";
import { keepPort, keptPort } from "./kept-port.ts";
import { keptOnce } from "./secrets-key.ts";

interface Parts {
  clock: Clock;
  ids: Ids;
  log: Log;
  /** Whether this process serves the embedded store; only one may. */
  serves: boolean;
}

export interface ObjectStorage {
  storage: Storage;
  close(): Promise<void>;
}

/** The configured object storage, or the embedded one, with its files in DATA_DIR/objects. */
export async function openObjectStorage(config: Config, parts: Parts): Promise<ObjectStorage> {
  const { port, endpoint, publicUrl, ...options } = config.s3;
  const common = {
    ...options,
    ...(publicUrl === null ? {} : { publicEndpoint: publicUrl }),
    forcePathStyle: true,
  };
  if (endpoint !== null) return opened({ ...common, endpoint, clock: parts.clock }, () => Promise.resolve());
  if (!parts.serves) throw new Error("S3_ENDPOINT is needed where the spool role runs in another process.");
  const credentials = {
    accessKeyId: options.accessKeyId || embeddedKeyId,
    secretAccessKey:
      options.secretAccessKey ||
      (await keptOnce(config.dataDir, "s3.key", () => parts.ids.bytes(32).toString("base64url"))),
  };
  const startAt = (at: number) =>
    startEmbeddedS3({
      host: config.host,
      port: at,
      directory: join(config.dataDir, "objects"),
      region: options.region,
      credentials,
      clock: parts.clock,
      onFault: (error) => parts.log.error({ err: error }, "the embedded object storage failed"),
    });
  const server = port === 0 ? await onItsPort(config.dataDir, startAt, parts.log) : await startAt(port);
  return opened({ ...common, ...credentials, endpoint: server.endpoint, clock: parts.clock }, () =>
    server.close(),
  );
}

/**
 * The same storage, for a process beside the server: of the embedded one a client, which reaches it while the server runs. It
 * cannot be reached where the embedded one has never run.
 */
export async function connectObjectStorage(config: Config, clock: Clock): Promise<Storage> {
  const { port, endpoint, publicUrl, ...options } = config.s3;
  const common = {
    ...options,
    ...(publicUrl === null ? {} : { publicEndpoint: publicUrl }),
    forcePathStyle: true,
    clock,
  };
  if (endpoint !== null) return createStorage({ ...common, endpoint });
  const kept = (name: string) => readFile(join(config.dataDir, name), "utf8").then((text) => text.trim());
  // Nobody listens on the first one.
  const at = port || (await keptPort(config.dataDir, "s3.port")) || 1;
  const host = config.host.includes(":") ? `[${config.host}]` : config.host;
  return createStorage({
    ...common,
    endpoint: `http://${host}:${at}`,
    accessKeyId: options.accessKeyId || embeddedKeyId,
    secretAccessKey: options.secretAccessKey || (await kept("s3.key").catch(() => "none")),
  });
}

const embeddedKeyId = "sautikit-embedded";

/** Presigned links name the port, and live longer than this process: so the free one is kept, and taken again. */
async function onItsPort(
  dataDir: string,
  startAt: (port: number) => Promise<EmbeddedS3>,
  log: Log,
): Promise<EmbeddedS3> {
  const before = await keptPort(dataDir, "s3.port");
  const server = await startAt(before).catch((error: unknown) => {
    if (before === 0) throw error;
    return startAt(0).then((elsewhere) => {
      log.warn(
        { err: error, before, now: elsewhere.port },
        "The embedded object storage's port is taken: links to recordings that were given out are dead. Set S3_PORT.",
      );
      return elsewhere;
    });
  });
  await keepPort(dataDir, "s3.port", server.port);
  return server;
}

function opened(options: StorageOptions, closeServer: () => Promise<void>): ObjectStorage {
  const storage = createStorage(options);
  return {
    storage,
    async close() {
      storage.close();
      await closeServer();
    },
  };
}

const bucketRetryMsMax = 60_000;

/** Makes the bucket as soon as the storage lets us; nobody waits for it. Ends when it is there, or by the signal. */
export async function makeBucket(
  storage: Storage,
  { clock, log }: Pick<Parts, "clock" | "log">,
  signal: AbortSignal,
) {
  for (let delayMs = 1_000; !signal.aborted; delayMs = Math.min(delayMs * 2, bucketRetryMsMax)) {
    try {
      await storage.ensureBucket();
      return;
    } catch (error) {
      log.warn({ err: error }, "the bucket cannot be reached yet");
    }
    await clock.sleep(delayMs, signal).catch(() => undefined);
  }
}
