import { asUsageError, UsageError } from "../cli/usage.ts";

/**
 * What a program that is run by hand was asked for, as `read` makes it of the command line. `--help` prints the usage, and ends it
 * with 0; what `read` refuses is told above the usage, and ends it with 2, before anything was begun.
 */
export function readOptions<T>(usage: string, read: () => T): T {
  const args = process.argv.slice(2);
  if (args.includes("--help") || args.includes("-h")) {
    process.stdout.write(usage);
    process.exit(0);
  }
  try {
    return read();
  } catch (thrown) {
    const error = asUsageError(thrown);
    if (!(error instanceof UsageError)) throw thrown;
    process.stderr.write(`${error.message}\n\n${usage}`);
    process.exit(2);
  }
}
