import { systemClock } from "../../engine/clock.ts";
import { readConfig } from "../config.ts";
import { checks } from "./checks.ts";
import { broken, wordsOf, type Finding } from "./finding.ts";

const words: Record<Finding["verdict"], string> = { ok: "ok    ", warn: "WARN  ", broken: "BROKEN" };

/** `sautikit doctor`: what each part is, what is wrong with it and how to mend it. Fails where one is broken. */
export async function doctor(): Promise<void> {
  const config = readConfig(process.env);
  let brokenParts = 0;
  for (const [part, check] of checks) {
    const finding = await check(config, systemClock).catch((error: unknown) =>
      broken(wordsOf(error), "This is a bug of doctor's own: tell us."),
    );
    if (finding.verdict === "broken") brokenParts++;
    process.stdout.write(`${words[finding.verdict]} ${part}: ${finding.detail}\n`);
    if (finding.remedy !== undefined) process.stdout.write(`         ${finding.remedy}\n`);
  }
  process.stdout.write(`${checks.length} parts checked, ${brokenParts} broken\n`);
  if (brokenParts > 0) process.exitCode = 1;
}
