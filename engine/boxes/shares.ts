/** Another controller that lives. */
export interface Other {
  /** The boxes that it may lead. */
  boxes: readonly string[];
  /** How many it does. */
  leads: number;
}

/** A box that nobody took within this is anybody's. */
export const freeMsMax = 3_000;
/** Who left a box that came back keeps it for so long: nobody else wanted it, or could have it. */
const backMsMin = 600_000;

const shareOf = (boxes: readonly string[], others: readonly Other[]): number =>
  Math.ceil(boxes.length / (others.length + 1));

/** Whether a free box is for who leads `mine`: up to its share at once, beyond that if nobody else comes. */
export function isFairToTake(
  mine: readonly string[],
  boxes: readonly string[],
  others: readonly Other[],
  freeMs: number,
): boolean {
  return mine.length < shareOf(boxes, others) || freeMs >= freeMsMax;
}

/** Which of its boxes a controller leaves to another; null: none. `backMs`: how long ago that one came back. */
export function handOver(
  mine: readonly string[],
  boxes: readonly string[],
  others: readonly Other[],
  backMs: (name: string) => number,
): string | null {
  const share = shareOf(boxes, others);
  if (mine.length <= share) return null;
  const wanted = mine.filter(
    (name) =>
      backMs(name) >= backMsMin && others.some((other) => other.leads < share && other.boxes.includes(name)),
  );
  return wanted.at(-1) ?? null;
}
