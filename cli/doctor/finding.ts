/** What `doctor` says of one part. */
export interface Finding {
  /** `warn` does not fail the command. */
  verdict: "ok" | "warn" | "broken";
  /** What was reached, and its version; or what is wrong. Never a secret. */
  detail: string;
  /** How to mend it; where there is something to mend. */
  remedy?: string;
}

export const sound = (detail: string): Finding => ({ verdict: "ok", detail });
export const doubtful = (detail: string, remedy: string): Finding => ({ verdict: "warn", detail, remedy });
export const broken = (detail: string, remedy: string): Finding => ({ verdict: "broken", detail, remedy });

/** Of several of a kind: all that is said of them, and the worst verdict. */
export function worst(findings: readonly [Finding, ...Finding[]]): Finding {
  const [first, ...others] = findings;
  if (others.length === 0) return first;
  const order: readonly Finding["verdict"][] = ["ok", "warn", "broken"];
  const { verdict } = findings.reduce((bad, one) =>
    order.indexOf(one.verdict) > order.indexOf(bad.verdict) ? one : bad,
  );
  const remedies = new Set(findings.flatMap(({ remedy }) => remedy ?? []));
  return {
    ...{ verdict, detail: findings.map(({ detail }) => detail).join("; ") },
    ...(remedies.size > 0 && { remedy: [...remedies].join(" ") }),
  };
}

/** An error's own words, and those of what is underneath. */
export function wordsOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  // Of several addresses that were tried, the first says enough.
  const first = cause instanceof AggregateError ? (cause.errors[0] as unknown) : cause;
  return first instanceof Error && first.message !== ""
    ? `${error.message} (${first.message})`
    : error.message;
}
