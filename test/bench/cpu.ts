import { readFileSync } from "node:fs";

/** What the kernel counts in, a second. */
const ticksPerSecond = 100;

/** CPU seconds of a process so far, user and system, of all its threads. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  // The name in brackets may hold blanks; utime and stime are the 14th and 15th field, the state is the 3rd.
  const [, ...fields] = stat.slice(stat.lastIndexOf(")") + 1).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

/** CPU seconds that the whole machine has worked so far, on all its cores. */
export function machineCpuSeconds(): number {
  const [line = ""] = readFileSync("/proc/stat", "utf8").split("\n", 1);
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = line
    .split(/\s+/)
    .slice(1)
    .map((ticks) => Number(ticks) / ticksPerSecond);
  return user + nice + system + irq + softirq;
}
