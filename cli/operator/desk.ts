import { readFile } from "node:fs/promises";
import { recordChange, type AuditedChange } from "../../engine/audit/audit.ts";
import type { Clock } from "../../engine/clock.ts";
import { isId, type Ids, type WorkspaceId } from "../../engine/ids.ts";
import type { Store, Tx } from "../../engine/store/store.ts";
import { workspaceById } from "../../engine/store/workspaces.ts";
import type { Config } from "../config.ts";
import { UsageError } from "../usage.ts";

/** What an operator's command works with. */
export interface Desk {
  config: Config;
  store: Store;
  clock: Clock;
  ids: Ids;
}

/** One command; it is given what was typed behind its name. */
export type Command = (desk: Desk, args: string[]) => Promise<void>;

export async function workspaceOf(store: Store, text: string | undefined): Promise<WorkspaceId> {
  if (text === undefined) throw new UsageError("WORKSPACE is missing: a workspace's id (ws_…).");
  if (!isId("ws", text)) throw new Error(`"${text}" is not a workspace id (ws_…).`);
  if (!(await store.read((tx) => workspaceById(tx, text)))) throw new Error(`There is no workspace ${text}.`);
  return text;
}

/** What stands behind a command, and no more than that: a name in two words is two. */
export function words(given: readonly string[], ...names: string[]): readonly string[] {
  const surplus = given[names.length];
  if (surplus === undefined) return given;
  throw new UsageError(
    names.length === 0
      ? `"${surplus}" is one word too many: this command takes none.`
      : `"${surplus}" is one word too many for ${names.join(" ")}; put what has spaces in quotes.`,
  );
}

/** What is typed as a file's name. */
export async function fileNamed(name: string): Promise<string> {
  return readFile(name, "utf8").catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") throw new Error(`There is no file "${name}".`);
    throw new Error(`The file "${name}" cannot be read.`, { cause: error });
  });
}

/** Written down as the operator's, in the transaction of what it is about. */
export const recordOperatorChange = (
  tx: Tx,
  desk: Pick<Desk, "ids" | "clock">,
  change: Omit<AuditedChange, "actor">,
): Promise<void> => recordChange(tx, desk, { ...change, actor: { kind: "operator" } });

export const print = (line: Record<string, unknown>) => process.stdout.write(`${asJson(line)}\n`);

/**
 * What strangers typed is in it (a payer, a caller), and an operator's terminal would obey what JSON lets stand: C1 control
 * characters, and those that turn the direction of what follows.
 */
function asJson(line: Record<string, unknown>): string {
  return JSON.stringify(line).replace(
    /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
