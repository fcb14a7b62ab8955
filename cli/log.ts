import { pino, type DestinationStream, type Logger } from "pino";
import { LogMask } from "./log-mask.ts";

/** Lines of JSON on standard error (or where `out` says), without secrets and with phone numbers masked (docs/logs.md). */
export function createLog(
  level: string,
  secrets: readonly string[] = [],
  out: DestinationStream = pino.destination(2),
): Logger {
  const mask = new LogMask(secrets);
  return pino({ level, hooks: { streamWrite: (line) => mask.line(line) } }, out);
}
