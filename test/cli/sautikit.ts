import assert from "node:assert/strict";
import { execFile } from "node:child_process";

/** `npx sautikit …`, to its end. */
export function sautikit(
  args: readonly string[],
  env: Record<string, string> = {},
  { withinMs = 60_000 }: { withinMs?: number } = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  const program = new URL("../../cli/sautikit.ts", import.meta.url).pathname;
  return new Promise((resolve) => {
    const options = { env: { ...process.env, LOG_LEVEL: "warn", ...env }, timeout: withinMs };
    execFile(process.execPath, [program, ...args], options, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), stdout, stderr });
    });
  });
}

/** What a command that succeeds prints: a JSON object a line. */
export async function toldLines(
  args: readonly string[],
  env: Record<string, string>,
): Promise<Record<string, unknown>[]> {
  const { code, stdout, stderr } = await sautikit(args, env);
  assert.equal(code, 0, stderr);
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** The same of one that prints a single line. */
export async function toldLine(
  args: readonly string[],
  env: Record<string, string>,
): Promise<Record<string, unknown>> {
  const [line, ...others] = await toldLines(args, env);
  assert.ok(line && others.length === 0, `${others.length + (line ? 1 : 0)} lines`);
  return line;
}
