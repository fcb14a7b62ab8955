import { once } from "node:events";
import { createInterface } from "node:readline";
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { TestDatabase } from "./test-database.ts";

const script = fileURLToPath(new URL("./writer-process.ts", import.meta.url));

/** Runs one job of test/store/writer-process.ts in so many processes, which begin at once; what each printed. */
export async function inParallel(
  database: TestDatabase,
  processes: number,
  job: string,
  args: readonly string[] = [],
): Promise<string[]> {
  const children = Array.from({ length: processes }, (_, index) => {
    const child = spawn(process.execPath, [script, database.url, `${index}`, job, ...args], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    return { child, lines: createInterface({ input: child.stdout })[Symbol.asyncIterator]() };
  });
  const said = async (lines: AsyncIterator<string>) => (await lines.next()).value as string;
  // Loaded, each waits for the word.
  await Promise.all(children.map(({ lines }) => said(lines)));
  for (const { child } of children) child.stdin.end("go\n");
  return Promise.all(
    children.map(async ({ child, lines }) => {
      const [outcome, [code]] = await Promise.all([said(lines), once(child, "exit") as Promise<[number]>]);
      if (code !== 0) throw new Error(`${job} ended with ${code}`);
      return outcome;
    }),
  );
}
