/** One line of the table: ours beside what it is measured against, in the same run. */
export interface Row {
  what: string;
  ours: string;
  against: string;
  ratio: number;
  /** What the ratio is to be; null: for information. */
  aim: { atLeast: number } | { atMost: number } | null;
  /** Why the ratio says nothing this time. */
  invalid?: string | null;
  /** What a reader must know of this run. */
  note?: string;
}

/** The rows as a Markdown table, and below it what a reader must know of them. */
export function markdown(rows: readonly Row[]): string {
  const cells = rows.map((row) => [row.what, row.ours, row.against, row.ratio.toFixed(2), aimOf(row)]);
  const all = [["measured", "ours", "against", "ratio", "aim"], ...cells];
  const widths = (all[0] ?? []).map((_, column) =>
    Math.max(3, ...all.map((line) => line[column]?.length ?? 0)),
  );
  const lines = all.map(
    (line) => `| ${line.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`,
  );
  lines.splice(1, 0, `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`);
  const notes = rows.filter(({ note }) => note !== undefined).map(({ what, note }) => `- ${what}: ${note}.`);
  return [...lines, "", ...notes].join("\n");
}

function aimOf({ ratio, aim, invalid = null }: Row): string {
  if (aim === null) return "";
  const text = "atLeast" in aim ? `≥ ${aim.atLeast}` : `≤ ${aim.atMost}`;
  if (invalid !== null) return `${text}, void: ${invalid}`;
  const met = "atLeast" in aim ? ratio >= aim.atLeast : ratio <= aim.atMost;
  return met ? text : `${text}, missed`;
}

export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const [low = NaN, high = NaN] = [sorted[sorted.length % 2 === 1 ? middle : middle - 1], sorted[middle]];
  return (low + high) / 2;
}
