import { spawn } from "node:child_process";
import { once } from "node:events";
import { globSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname } from "node:path";
import type { RunReport } from "./reporter.ts";

/** One process of mocha: some files of one folder, on one database. */
export interface Job {
  database: "sqlite" | "postgres";
  files: readonly string[];
}

/** What became of one; `report` null: it died before it could tell. */
export interface JobResult {
  job: Job;
  report: RunReport | null;
  /** It told, and then did not end: something was left open. */
  leftOpen: boolean;
}

/** Enough that a job's start does not count, few enough that the last one to end is not waited for long. */
const filesAJob = 5;
/** After its last test mocha has so long to end by itself. */
const exitMsMax = 30_000;

/** The files that match, in jobs. */
export function jobsOf(
  database: Job["database"],
  patterns: readonly string[],
  ignored: readonly string[],
): Job[] {
  const files = globSync([...patterns], { exclude: [...ignored] }).toSorted();
  const byFolder = Map.groupBy(files, (file) => dirname(file));
  return [...byFolder.values()].flatMap((folder) =>
    Array.from({ length: Math.ceil(folder.length / filesAJob) }, (_, index) => ({
      database,
      files: folder.slice(index * filesAJob, (index + 1) * filesAJob),
    })),
  );
}

/**
 * Runs them, one more at once than there are processors (SAUTIKIT_TEST_JOBS: so many), since tests wait for half of their
 * time. A lone one is seen as it runs; of several each is printed when it has ended.
 */
export async function runJobs(jobs: readonly Job[], environment: NodeJS.ProcessEnv): Promise<JobResult[]> {
  const atOnce = Number(process.env["SAUTIKIT_TEST_JOBS"] ?? availableParallelism() + 1);
  const waiting = [...jobs];
  const results: JobResult[] = [];
  const worker = async (): Promise<void> => {
    for (let job = waiting.shift(); job !== undefined; job = waiting.shift())
      results.push(await runJob(job, environment, jobs.length === 1));
  };
  await Promise.all(Array.from({ length: Math.max(1, Math.min(atOnce, jobs.length)) }, worker));
  return results;
}

async function runJob(job: Job, environment: NodeJS.ProcessEnv, alone: boolean): Promise<JobResult> {
  const output = alone ? "inherit" : "pipe";
  const child = spawn("mocha", ["--config", "test/mocharc.json", ...job.files], {
    stdio: ["ignore", output, output, "pipe"],
    env: { ...environment, SAUTIKIT_DATABASE: job.database, SAUTIKIT_RUN_REPORT: "3" },
  });
  const printed: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr])
    stream?.on("data", (chunk: Buffer) => printed.push(chunk));
  let told = "";
  child.stdio[3]?.on("data", (chunk: Buffer) => (told += chunk.toString()));
  child.stdio[3]?.once("data", () => {
    // Whatever still holds the process then was left open by a test, which is a failure of its own.
    setTimeout(() => {
      if (child.exitCode === null) child.kill("SIGKILL");
    }, exitMsMax).unref();
  });
  const [code] = (await once(child, "close")) as [number | null];
  process.stdout.write(
    Buffer.concat([Buffer.from(`\nOn ${job.database}, ${dirname(job.files[0] ?? "")}:\n`), ...printed]),
  );
  const report = told === "" ? null : (JSON.parse(told) as RunReport);
  return { job, report, leftOpen: report !== null && code !== 0 && report.failures === 0 };
}
