/** Functions, aggregations and words of PromQL that Sautikit's rules and dashboard use. */
const words = new Set(
  (
    "absent avg_over_time changes count delta histogram_quantile increase label_values last_over_time max max_over_time min predict_linear rate sum time topk vector " +
    "and or unless by without on ignoring bool offset"
  ).split(" "),
);

/** Names of the metrics that an expression of PromQL asks for. Throws where its brackets or quotes do not match. */
export function metricsIn(expression: string): string[] {
  const bare = expression
    .replace(/"(?:[^"\\]|\\.)*"/g, '""')
    .replace(/\{[^{}]*\}/g, "")
    .replace(/\[[\w$:]*\]/g, "")
    .replace(/\b(by|without|on|ignoring)\s*\([^()]*\)/g, "");
  if (/["[\]{}]/.test(bare.replaceAll('""', ""))) throw new Error(`unbalanced: ${expression}`);
  let depth = 0;
  for (const letter of bare) {
    if (letter === "(") depth++;
    if (letter === ")" && --depth < 0) break;
  }
  if (depth !== 0) throw new Error(`unbalanced: ${expression}`);
  const names = [...bare.matchAll(/(?<![\w.$])[a-z_][a-z0-9_:]*/gi)].map(([name]) => name);
  return names.filter((name) => !words.has(name));
}
