export interface Scrape {
  text: string;
  /** Names of the families that have a help text, whether they have samples or not. */
  names: Set<string>;
  /** The sum of the samples that have at least these labels; undefined: there is none. */
  value: (name: string, labels?: Record<string, string>) => number | undefined;
}

/** What Prometheus would read there. */
export async function scrape(baseUrl: string): Promise<Scrape> {
  const response = await fetch(`${baseUrl}/metrics`, { signal: AbortSignal.timeout(10_000) });
  const text = await response.text();
  if (response.status !== 200) throw new Error(`/metrics answers ${response.status}: ${text}`);
  return parseScrape(text);
}

export function parseScrape(text: string): Scrape {
  const samples = text
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => {
      const [, name = "", labels = "", value] = /^([a-z0-9_]+)(?:\{(.*)\})? (\S+)$/i.exec(line) ?? [];
      const pairs = [...labels.matchAll(/([a-z_]+)="((?:[^"\\]|\\.)*)"/gi)].map(([, key, set]) => [key, set]);
      return { name, labels: Object.fromEntries(pairs) as Record<string, string>, value: Number(value) };
    });
  return {
    text,
    names: new Set([...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name = ""]) => name)),
    value: (name, wanted = {}) => {
      const found = samples.filter(
        (sample) =>
          sample.name === name && Object.entries(wanted).every(([key, set]) => sample.labels[key] === set),
      );
      return found.length === 0 ? undefined : found.reduce((sum, { value }) => sum + value, 0);
    },
  };
}
