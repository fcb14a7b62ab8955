import { readdirSync, readFileSync } from "node:fs";

/** The processes that `parent` started and that run `program`; those that have ended but are not yet reaped are none. */
export function processesOf(parent: number, program: string): number[] {
  return readdirSync("/proc")
    .map(Number)
    .filter((pid) => {
      try {
        // proc(5): the name may hold spaces and parentheses; after it come the state and the parent.
        const [, state, ppid] = /.*\) (\S) (\d+)/s.exec(readFileSync(`/proc/${pid}/stat`, "utf8")) ?? [];
        const runs = state !== "Z" && Number(ppid) === parent;
        return runs && readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(program);
      } catch {
        // No process, or gone meanwhile.
        return false;
      }
    });
}

export function isRunning(pid: number): boolean {
  try {
    return !/\) Z/.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}
