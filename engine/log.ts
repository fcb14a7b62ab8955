import type { Logger } from "pino";

/** What the parts are given to log with; built once, in the composition root, with its redactions. */
export type Log = Pick<Logger, "debug" | "info" | "warn" | "error">;
