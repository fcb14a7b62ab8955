import { verifyLedger } from "../../engine/wallet/verify.ts";
import type { Desk } from "./desk.ts";

/** Lists every invariant; exits non-zero when one is broken. */
export async function ledgerVerify({ store }: Desk): Promise<void> {
  const findings = await store.read(verifyLedger);
  for (const { ok, name, detail } of findings)
    process.stdout.write(`${ok ? "ok    " : "BROKEN"} ${name}: ${detail}\n`);
  const broken = findings.filter((finding) => !finding.ok).length;
  process.stdout.write(`${findings.length} invariants checked, ${broken} broken\n`);
  if (broken > 0) process.exitCode = 1;
}
