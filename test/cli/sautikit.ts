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
