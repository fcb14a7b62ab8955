import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Ids } from "../engine/ids.ts";

/**
 * Which controller this is: made once, in DATA_DIR/controller.id, whose lock the process has. So a controller that is started
 * anew knows its own leases, and that nobody else has them.
 */
export async function controllerId(dataDir: string, ids: Ids): Promise<string> {
  const file = join(dataDir, "controller.id");
  const kept = await readFile(file, "utf8").catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw error;
  });
  if (/^[0-9a-f]{16}\n$/.test(kept)) return kept.trim();
  const id = ids.bytes(8).toString("hex");
  await writeFile(file, `${id}\n`, { mode: 0o600 });
  return id;
}
