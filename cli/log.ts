import { pino, type DestinationStream, type Logger } from "pino";
import type { CallTraces } from "../engine/calls/call-traces.ts";
import { LogMask } from "./log-mask.ts";

export interface LogOptions {
  /** Those that are configured. */
  secrets?: readonly string[];
  /** A line about a call or a leg of these says which trace it is in. */
  traces?: Pick<CallTraces, "of">;
  /** Default: standard error. */
  out?: DestinationStream;
}

/** Lines of JSON, without secrets and with phone numbers masked (docs/logs.md). */
export function createLog(level: string, { secrets, traces, out }: LogOptions = {}): Logger {
  const mask = new LogMask(secrets);
  const traced = (facts: Record<string, unknown>) => {
    const traceId = facts["traceId"] ?? traces?.of(facts["callId"]) ?? traces?.of(facts["leg"]);
    return traceId === undefined ? facts : { ...facts, traceId };
  };
  const options = {
    level,
    formatters: { log: traced },
    hooks: { streamWrite: (line: string) => mask.line(line) },
  };
  return pino(options, out ?? pino.destination(2));
}
