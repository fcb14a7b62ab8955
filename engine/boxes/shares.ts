/** Another controller that lives. */
export interface Other {
  /** The boxes that it may lead. */
  boxes: readonly string[];
  /** How many it does. */
  leads: number;
}

/** A box that nobody took within this is anybody's. */
const freeMsMax = 3_000;
/** Who gave a box away that came back keeps it for so long: nobody else wants it, or can. */
const handedMsMin = 600_000;

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

/** Which of its boxes a controller leaves to another; null: none. `handedMs`: how long ago it last left that one. */
export function handOver(
  mine: readonly string[],
  boxes: readonly string[],
  others: readonly Other[],
  handedMs: (name: string) => number,
): string | null {
  const share = shareOf(boxes, others);
  if (mine.length <= share) return null;
  const wanted = mine.filter(
    (name) => handedMs(name) >= handedMsMin && others.some((other) => other.leads < share && other.boxes.includes(name)),
  );
  return wanted.at(-1) ?? null;
}
