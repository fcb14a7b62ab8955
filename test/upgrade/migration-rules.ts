/** From this one on two versions may run side by side, and each migration is one that both can live with. */
export const firstWithRules = "029";

interface Statement {
  text: string;
  /** Lines of comment right before it. */
  comment: string;
}

/**
 * What of a migration the version before could not live with, or calls would wait for; empty: nothing. docs/upgrade.md has the
 * rules. `-- contract: …` before a statement is somebody's word for why it does no harm, where a machine cannot know.
 */
export function breachesOf(name: string, sql: string): string[] {
  const statements = statementsOf(sql);
  const made = new Set(statements.flatMap(({ text }) => /^CREATE TABLE (\w+)/i.exec(text)?.[1] ?? []));
  const oldest = /^-- oldest: (\d{3})$/m.exec(sql)?.[1];
  return statements.flatMap((statement) => {
    const breach = breachOf(statement, made, { name, oldest });
    return breach === null ? [] : [`${name}: ${breach}: ${statement.text.replace(/\s+/g, " ").slice(0, 80)}`];
  });
}

function breachOf(
  { text, comment }: Statement,
  made: ReadonlySet<string>,
  file: { name: string; oldest: string | undefined },
): string | null {
  const promised = /^-- contract: \S/m.test(comment);
  if (/^DROP TABLE|\bDROP COLUMN\b|\bRENAME\b/i.test(text)) {
    if (!promised) return "takes away, or renames, what the version before uses";
    const old = file.oldest !== undefined && file.oldest < file.name.slice(0, 3);
    return old
      ? null
      : "takes something away, and does not say by `-- oldest:` which versions use it no more";
  }
  const table = tableOf(text);
  if (table === null || made.has(table)) return null;
  if (/\bADD COLUMN\b/i.test(text))
    return /\bNOT NULL\b/i.test(text) && !/\bDEFAULT\b/i.test(text)
      ? "the version before inserts rows without that column"
      : null;
  if (promised) return null;
  if (/^CREATE UNIQUE INDEX|\bADD CONSTRAINT\b|\bSET NOT NULL\b|\bTYPE\b/i.test(text))
    return "the version before may write what that forbids";
  if (/^CREATE INDEX/i.test(text)) return "nobody writes to the table until the index is built";
  if (/^(UPDATE|DELETE|INSERT)\b/i.test(text)) return "changes rows while what the file altered is locked";
  return `nobody knows whether that does harm`;
}

/** The table that it changes; null: none that is there. */
function tableOf(text: string): string | null {
  const found =
    /^(?:ALTER TABLE|UPDATE|DELETE FROM|INSERT INTO) (\w+)/i.exec(text) ??
    /^CREATE (?:UNIQUE )?INDEX (?:IF NOT EXISTS )?\w+ ON (\w+)/i.exec(text);
  if (found) return found[1]!;
  if (/^(CREATE TABLE|DROP INDEX) /i.test(text)) return null;
  return "?";
}

/** As engine/store/migrate.ts parts them. */
function statementsOf(sql: string): Statement[] {
  return sql
    .split(/;\s*$/m)
    .map((part) => {
      const lines = part.split("\n");
      const isComment = (line: string) => /^\s*--/.test(line);
      return {
        text: lines
          .filter((line) => !isComment(line))
          .join("\n")
          .trim(),
        comment: lines.filter(isComment).join("\n"),
      };
    })
    .filter(({ text }) => text !== "");
}
