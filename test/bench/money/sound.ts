import assert from "node:assert/strict";
import type { Store } from "../../../engine/store/store.ts";
import { verifyLedger } from "../../../engine/wallet/verify.ts";

/** What was filled in by hand is as the product would have written it. */
export async function assertSound(store: Store): Promise<void> {
  const findings = await store.read(verifyLedger);
  assert.deepEqual(
    findings.filter(({ ok }) => !ok),
    [],
  );
}
