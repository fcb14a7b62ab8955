import { parseArgs } from "node:util";
import { saveCheck } from "../../engine/store/checks.ts";
import { verifyRecordings } from "../../recordings/verify.ts";
import { connectObjectStorage } from "../object-storage.ts";
import { print, words, type Desk } from "./desk.ts";

/** Exits non-zero on any finding. */
export async function recordingsVerify({ config, store, clock }: Desk, args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { checksums: { type: "boolean", default: false } },
  });
  words(positionals);
  const { checksums } = values;
  const storage = await connectObjectStorage(config, clock);
  try {
    if (!(await storage.healthy()))
      throw new Error(
        config.s3.endpoint === null
          ? "The embedded storage cannot be reached: it is served by `npx sautikit start`, with this DATA_DIR."
          : `The bucket ${config.s3.bucket} at ${config.s3.endpoint} cannot be reached; \`npx sautikit doctor\` says why.`,
      );
    const seen = await verifyRecordings({
      ...{ store, storage, clock, checksums },
      tell: ({ finding, objectKey, recording, sizeBytes, sha256 }) =>
        print({
          ...{ finding, object_key: objectKey },
          ...{ recording_id: recording?.id ?? null, workspace_id: recording?.workspaceId ?? null },
          ...{
            status: recording?.status ?? null,
            expected_bytes: recording?.sizeBytes ?? null,
            bytes: sizeBytes,
          },
          ...(sha256 === undefined ? {} : { expected_sha256: recording?.sha256 ?? null, sha256 }),
        }),
    });
    await store.write((tx) =>
      saveCheck(tx, { name: "recordings", checkedAtMs: clock.nowMs(), findings: seen.findings }),
    );
    print({ ...seen, checksums });
    if (seen.findings > 0) process.exitCode = 1;
  } finally {
    storage.close();
  }
}
