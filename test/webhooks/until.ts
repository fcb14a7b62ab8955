/** Waits for a fact, checking at every turn; fails loudly when it does not come. */
export async function until(
  fact: () => boolean | Promise<boolean>,
  what: string | (() => string),
  withinMs = 5000,
): Promise<void> {
  const end = performance.now() + withinMs;
  while (!(await fact())) {
    if (performance.now() > end) throw new Error(`Did not come: ${typeof what === "string" ? what : what()}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
