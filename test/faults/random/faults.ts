import { startPostgres } from "../../peers/postgres-server.ts";
import { switchKind, switchMissing } from "../../peers/switch-under-test.ts";
import { databaseKind } from "../../store/test-database.ts";
import { planOf } from "./plan.ts";
import { runPlan, summaryOf } from "./run.ts";

/**
 * `npm run test:faults`: random calls and random kills for SAUTIKIT_FAULT_MINUTES (3), all drawn from SAUTIKIT_SEED; then
 * the auditor. Ends with 1 if it finds anything. SAUTIKIT_SWITCH and SAUTIKIT_DATABASE choose on what.
 */
if (switchMissing !== undefined) throw new Error(switchMissing);
const seed = Number(process.env["SAUTIKIT_SEED"] ?? Date.now() % 2 ** 31);
const minutes = Number(process.env["SAUTIKIT_FAULT_MINUTES"] ?? 3);
if (!Number.isSafeInteger(seed)) throw new Error("SAUTIKIT_SEED is a whole number");
if (!(minutes > 0)) throw new Error("SAUTIKIT_FAULT_MINUTES is a number of minutes");
process.stdout.write(`SAUTIKIT_SEED=${seed} (${switchKind}, ${databaseKind}, ${minutes} minutes)\n`);

const ownServer = databaseKind === "postgres" && process.env["SAUTIKIT_POSTGRES_URL"] === undefined;
const postgres = ownServer ? await startPostgres() : undefined;
if (postgres) process.env["SAUTIKIT_POSTGRES_URL"] = postgres.url;
try {
  const plan = planOf(seed, minutes * 60_000);
  const result = await runPlan(plan, (line) => process.stderr.write(`${line}\n`));
  process.stdout.write(`${summaryOf(plan, result)}\n`);
  process.exitCode = result.findings.length === 0 ? 0 : 1;
} finally {
  await postgres?.stop();
}
