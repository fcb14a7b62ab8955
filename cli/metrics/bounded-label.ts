/** A label whose values come from outside: the first `max` of them as they are, the rest as `other`. */
export function boundedLabel(max: number): (value: string) => string {
  const known = new Set<string>();
  return (value) => {
    if (known.size < max) known.add(value);
    return known.has(value) ? value : "other";
  };
}
