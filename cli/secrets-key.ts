import { link, mkdir, mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises";
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

/** Whether it opens what somebody has sealed: with another key nothing fails but customers' signatures, much later. */
export function opens(secrets: Pick<Secrets, "open">, sealed: string): boolean {
  try {
    secrets.open(sealed);
    return true;
  } catch {
    return false;
  }
}

/** Text that is made at the first start and stays the same afterwards. Throws where its file is there, and empty. */
export async function keptOnce(dataDir: string, name: string, make: () => string): Promise<string> {
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const file = join(dataDir, name);
  const text = await readFile(file, "utf8").catch(async (error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    await putOnce(dataDir, file, make());
    return readFile(file, "utf8");
  });
  if (text.trim() === "")
    throw new Error(`${file} is empty: put back the one that was, or remove it if nothing was ever sealed.`);
  return text.trim();
}

/** Whole and on the disk, or not at all: what is sealed by it soon is. Two processes that start at once cannot both make one. */
async function putOnce(dataDir: string, file: string, text: string): Promise<void> {
  const aside = await mkdtemp(join(dataDir, ".making-"));
  try {
    const made = join(aside, "made");
    await writeFile(made, text, { mode: 0o600, flush: true });
    await link(made, file).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    });
    const folder = await open(dataDir, "r");
    await folder.sync().finally(() => folder.close());
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
}
