import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { GetObjectCommand, paginateListObjectsV2, S3Client } from "@aws-sdk/client-s3";

/** An object of the bucket, fetched whole. */
export interface StoredObject {
  key: string;
  sizeBytes: number;
  /** Hex. */
  sha256: string;
  /** By the samples that it holds, ms; null: not a WAV of whole frames. */
  durationMs: number | null;
}

/** Amazon's client for the storage that `sautikit` was configured with, and the bucket's name. */
export function openBucket(env: Readonly<Record<string, string>>): { client: S3Client; Bucket: string } {
  const embedded = env["S3_ENDPOINT"] === undefined;
  const client = new S3Client({
    endpoint: env["S3_ENDPOINT"] ?? `http://127.0.0.1:${env["S3_PORT"] ?? ""}`,
    region: env["S3_REGION"] ?? "af-nairobi-1",
    forcePathStyle: true,
    credentials: {
      accessKeyId: env["S3_ACCESS_KEY_ID"] ?? "sautikit-embedded",
      secretAccessKey:
        env["S3_SECRET_ACCESS_KEY"] ??
        (embedded ? readFileSync(join(env["DATA_DIR"] ?? "", "s3.key"), "utf8").trim() : ""),
    },
  });
  return { client, Bucket: env["S3_BUCKET"] ?? "sautikit-recordings" };
}

/** Everything in the bucket, by key. */
export async function readBucket(env: Readonly<Record<string, string>>): Promise<Map<string, StoredObject>> {
  const { client, Bucket } = openBucket(env);
  const objects = new Map<string, StoredObject>();
  try {
    for await (const page of paginateListObjectsV2({ client }, { Bucket })) {
      for (const { Key: key } of page.Contents ?? []) {
        if (key === undefined) continue;
        const { Body } = await client.send(new GetObjectCommand({ Bucket, Key: key }));
        const bytes = Buffer.from((await Body?.transformToByteArray()) ?? []);
        objects.set(key, {
          key,
          sizeBytes: bytes.length,
          sha256: createHash("sha256").update(bytes).digest("hex"),
          durationMs: wavMs(bytes),
        });
      }
    }
  } finally {
    client.destroy();
  }
  return objects;
}

/** Walks the chunks of a RIFF file. Null: no WAV, or one whose header and length disagree. */
export function wavMs(bytes: Buffer): number | null {
  if (bytes.toString("latin1", 0, 4) !== "RIFF" || bytes.toString("latin1", 8, 12) !== "WAVE") return null;
  let bytesPerSecond = 0;
  for (let at = 12; at + 8 <= bytes.length;) {
    const [name, length] = [bytes.toString("latin1", at, at + 4), bytes.readUInt32LE(at + 4)];
    if (at + 8 + length > bytes.length) return null;
    if (name === "fmt ") bytesPerSecond = bytes.readUInt32LE(at + 16);
    if (name === "data") return bytesPerSecond === 0 ? null : (length * 1000) / bytesPerSecond;
    at += 8 + length + (length % 2);
  }
  return null;
}
