import pg from "pg";
import { SautikitError } from "../errors.ts";

// Codes and classes: PostgreSQL's documentation, appendix A.

/** It could not be run beside another transaction; alone, it may. */
export const isConflict = (error: unknown): boolean =>
  isStalePlan(error) || codeOf(error) === "40001" || codeOf(error) === "40P01";

/** Somewhere among its causes: another transaction keeps a lock that it waits for, or the two wait for each other. */
export function isInTheWay(error: unknown): boolean {
  const code = codeOf(error);
  if (code !== undefined) return code === "55P03" || code === "40P01";
  return error instanceof Error && error.cause !== undefined && isInTheWay(error.cause);
}

/** A migration changed a table under a kept plan ("cached plan must not change result type"): a new connection has none. */
export const isStalePlan = (error: unknown): boolean => codeOf(error) === "0A000";

/** The database is away, full, shutting down, a replica, or too slow: not a bug in a statement, nor a broken constraint. */
export function isFault(error: unknown): boolean {
  const code = codeOf(error);
  if (code !== undefined) return faults.some((start) => code.startsWith(start));
  // Of the connection, or of the wait for one; the driver's own refusals of a value are these two.
  return error instanceof Error && !(error instanceof RangeError || error instanceof TypeError);
}

/** Of an open transaction: its connection was ended under it, so that nothing of it is kept. What a closure throws is not. */
export function isLostConnection(error: unknown): boolean {
  if (!(error instanceof SautikitError) || error.code !== "database.unavailable") return false;
  const { cause } = error;
  const code = codeOf(cause);
  if (code !== undefined) return code === "57P01" || code === "57P02";
  return cause !== undefined && isFault(cause);
}

const faults = [
  // Connection, authorization, no such database.
  "08",
  "28",
  "3D",
  // Read only: a replica, or a primary that became one. Idle for too long in a transaction.
  "25006",
  "25P03",
  // Out of disk, memory, connections; operator (shutdown, statement timeout); system; damaged.
  "53",
  "57",
  "58",
  "XX",
  // A lock held too long.
  "55P03",
];

const codeOf = (error: unknown): string | undefined =>
  error instanceof pg.DatabaseError ? error.code : undefined;
