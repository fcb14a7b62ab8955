import { readFile } from "node:fs/promises";

/** Of this Sautikit, as package.json has it. */
export async function version(): Promise<string> {
  const file = await readFile(new URL("../package.json", import.meta.url), "utf8");
  return (JSON.parse(file) as { version: string }).version;
}
