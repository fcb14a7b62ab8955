import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** The free port that was taken before, since what was given out names it (links, phones); 0: none was. */
export const keptPort = async (dataDir: string, name: "s3.port" | "sip.port"): Promise<number> =>
  Number(await readFile(join(dataDir, name), "utf8").catch(() => "0"));

export const keepPort = (dataDir: string, name: "s3.port" | "sip.port", port: number): Promise<void> =>
  writeFile(join(dataDir, name), String(port), { mode: 0o600 });
