import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";

/** The folder of the version that is tested. */
const thisProduct = new URL("../../", import.meta.url).pathname;

/** `npx sautikit …`, to its end. */
export function sautikit(
  args: readonly string[],
  env: Record<string, string> = {},
  { withinMs = 60_000, product = thisProduct }: { withinMs?: number; product?: string } = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  const program = join(product, "cli/sautikit.ts");
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
  product = thisProduct,
): Promise<Record<string, unknown>[]> {
  const { code, stdout, stderr } = await sautikit(args, env, { product });
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
  product = thisProduct,
): Promise<Record<string, unknown>> {
  const [line, ...others] = await toldLines(args, env, product);
  assert.ok(line && others.length === 0, `${others.length + (line ? 1 : 0)} lines`);
  return line;
}
