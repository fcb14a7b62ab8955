import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Ids } from "../engine/ids.ts";
import { aesSecrets, type Secrets } from "../engine/secrets.ts";
import type { Config } from "./config.ts";

/** In DATA_DIR. */
export const secretsKeyFile = "secrets.key";

/** Sealed by the key that is configured, or was made once and is kept in the data folder, readable by its owner alone. */
export async function openSecrets(
  { secretsKey, dataDir }: Pick<Config, "secretsKey" | "dataDir">,
  ids: Ids,
): Promise<Secrets> {
  const hex = secretsKey || (await keptOnce(dataDir, secretsKeyFile, () => ids.bytes(32).toString("hex")));
  return aesSecrets(Buffer.from(hex, "hex"), ids);
}

/** Text that is made at the first start and stays the same afterwards. */
export async function keptOnce(dataDir: string, name: string, make: () => string): Promise<string> {
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const file = join(dataDir, name);
  try {
    // "wx": two processes that start at once cannot both make one.
    await writeFile(file, make(), { mode: 0o600, flag: "wx" });
    await chmod(file, 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  return (await readFile(file, "utf8")).trim();
}
