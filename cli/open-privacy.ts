import { join } from "node:path";
import { Erasures } from "../engine/privacy/erasures.ts";
import { Exports, type ExportsParts } from "../engine/privacy/exports.ts";
import { objectKey } from "../recordings/object-key.ts";
import type { Storage } from "../recordings/storage.ts";
import type { Config } from "./config.ts";

/** Exports and erasures by phone number: the server's, and the operator's commands'. */
export function openPrivacy(
  config: Pick<Config, "dataDir">,
  parts: Omit<ExportsParts, "directory" | "recordingKey"> & { storage: Storage },
): { exports: Exports; erasures: Erasures } {
  const recordingKey: ExportsParts["recordingKey"] = (row) => row.objectKey ?? objectKey(row);
  const exports = new Exports({ ...parts, recordingKey, directory: join(config.dataDir, "exports") });
  return { exports, erasures: new Erasures({ ...parts, recordingKey, exports }) };
}
