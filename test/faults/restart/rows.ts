import * as parties from "./parties.ts";
import * as prompts from "./prompts.ts";
import * as questions from "./questions.ts";
import * as rooms from "./rooms.ts";
import type { Row } from "./row.ts";
import * as streams from "./streams.ts";

/** Each is killed as one. Of those whose commands are held no more than there are connections for commands. */
export const batches: Readonly<Record<string, readonly Row[]>> = {
  "in the middle of what it does": [
    ...prompts.resting,
    ...parties.resting,
    ...questions.resting,
    ...rooms.resting,
    ...streams.resting,
  ],
  "before the switch was told": [
    ...prompts.unsent,
    ...parties.unsent,
    ...questions.unsent,
    ...rooms.unsent,
    ...streams.unsent,
  ],
  "as the switch is told, which it never is": [...prompts.lost, ...parties.lost],
  "as the switch is told, which it never is, either": [...parties.lostToo, ...questions.lostToo],
  "as the switch is told, which it is": [...prompts.late, ...parties.late],
  "as the switch is told of rooms and streams": [...rooms.told, ...streams.told],
};

export const rows = Object.values(batches).flat();

const verbs = ["play", "say", "getDigits", "dial", "conference", "record", "stream"];
const order = [...verbs, "redirect", "reject", "hangup", "wait", "sendDigits", "any"];

/** The table of docs/restart.md. */
export function rowsTable(): string {
  const lines = order.flatMap((verb) =>
    rows.filter((row) => row.verb === verb).map((row) => [`\`${verb}\``, row.moment, row.then]),
  );
  const all = [["verb", "the controller is killed while it", "what happens"], ...lines];
  if (all.length !== rows.length + 1) throw new Error("a row of a verb that is not in the order");
  const cells = all.map((line) => line.map((cell) => cell.replace("`any`", "any")));
  const widths = [0, 1, 2].map((column) => Math.max(...cells.map((line) => line[column]!.length)));
  const text = cells.map((line) => `| ${line.map((cell, at) => cell.padEnd(widths[at]!)).join(" | ")} |`);
  text.splice(1, 0, `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`);
  return text.join("\n");
}
