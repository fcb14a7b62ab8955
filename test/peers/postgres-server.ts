import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chownSync, existsSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { delimiter, join } from "node:path";
import pg from "pg";
import { freePort } from "./free-ports.ts";
import { eventually } from "./waiting.ts";

/** A PostgreSQL server of the tests' own. */
export interface PostgresServer {
  /** Of the superuser, without a database's name. */
  url: string;
  /** SIGKILL, as by the kernel when memory is short. */
  crash(): Promise<void>;
  /** SIGSTOP to every process of it, as a machine does that swaps: connections stay, and nothing answers. */
  pause(): void;
  resume(): void;
  /** Again, on the same port and files. */
  start(): Promise<void>;
  /** For good; its files go. */
  stop(): Promise<void>;
}

/** Folder of the server's programs: Debian's newest, or the path's. Null: there are none. */
export function postgresPrograms(): string | null {
  const debian = "/usr/lib/postgresql";
  const versions = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : [];
  const folders = [
    ...versions.map((version) => join(debian, version, "bin")),
    ...(process.env["PATH"] ?? "").split(delimiter),
  ];
  return folders.find((folder) => existsSync(join(folder, "initdb"))) ?? null;
}

const settings = { listen_addresses: "127.0.0.1", max_connections: "200" };
/** Durable enough for a killed process, not for a power cut; a deadlock is noticed early. */
const forTests = { ...settings, fsync: "off", full_page_writes: "off", deadlock_timeout: "100ms" };

/** It refuses to run as root: then it runs as Debian's user for it, or as nobody. */
function lesserUser(): { uid: number; gid: number } | Record<string, never> {
  if (process.getuid?.() !== 0) return {};
  for (const name of ["postgres", "nobody"]) {
    const [uid, gid] = ["-u", "-g"].map((flag) =>
      Number(spawnSync("id", [flag, name]).stdout.toString().trim() || NaN),
    );
    if (uid && gid) return { uid, gid };
  }
  throw new Error("There is no user but root to run PostgreSQL as.");
}

/** `durable`: as an operator runs it, a power cut and all. */
export async function startPostgres({ durable = false } = {}): Promise<PostgresServer> {
  const programs = postgresPrograms();
  if (programs === null) throw new Error("PostgreSQL's programs are not on this machine.");
  const user = lesserUser();
  // Not in the run's own folder, which is closed to that user.
  const folder = mkdtempSync("/tmp/sautikit-postgres-");
  if ("uid" in user) chownSync(folder, user.uid, user.gid);
  const data = join(folder, "data");
  const made = spawnSync(
    join(programs, "initdb"),
    ["-D", data, "-U", "sautikit", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"],
    { ...user, cwd: folder, encoding: "utf8" },
  );
  if (made.status !== 0) throw new Error(`initdb failed:\n${made.stderr}`);
  const port = await freePort();
  const url = `postgres://sautikit@127.0.0.1:${port}/`;
  let server: ChildProcess;

  const start = async (): Promise<void> => {
    const log = openSync(join(folder, "log"), "a");
    const options = Object.entries(durable ? settings : forTests).flatMap(([name, value]) => [
      "-c",
      `${name}=${value}`,
    ]);
    const args = ["-D", data, "-p", `${port}`, "-k", folder, ...options];
    // The shell ends the server when our end of its input closes, however we die.
    const script = `"$0" "$@" < /dev/null & read -r _; kill -INT $!; wait $!`;
    server = spawn("sh", ["-c", script, join(programs, "postgres"), ...args], {
      ...user,
      cwd: folder,
      stdio: ["pipe", log, log],
    });
    await eventually("PostgreSQL to answer", () => answers(url), { withinMs: 20_000, everyMs: 50 });
  };
  const postmaster = () => Number(readFileSync(join(data, "postmaster.pid"), "utf8").split("\n")[0]);
  /** To the postmaster first, so that no process comes that is not signalled. */
  const signalAll = (signal: NodeJS.Signals): void => {
    process.kill(postmaster(), signal);
    for (const pid of childrenOf(postmaster())) {
      try {
        process.kill(pid, signal);
      } catch (error) {
        // It ended since it was listed.
        if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
      }
    }
  };
  const crash = async (): Promise<void> => {
    process.kill(postmaster(), "SIGKILL");
    await eventually("PostgreSQL to be gone", async () => ((await answers(url)) ? undefined : true));
    await ended();
  };
  const ended = async (): Promise<void> => {
    server.stdin?.end();
    if (server.exitCode === null && server.signalCode === null) await once(server, "exit");
  };
  await start();
  return {
    url,
    crash,
    pause: () => signalAll("SIGSTOP"),
    resume: () => signalAll("SIGCONT"),
    start,
    async stop() {
      await ended();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** By Linux's account of processes. */
function childrenOf(parent: number): number[] {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.map(Number).filter((pid) => {
    try {
      // After the name, which may hold anything: the state, then the parent.
      const [, ppid] = readFileSync(`/proc/${pid}/stat`, "utf8")
        .split(/^.*\) /)[1]!
        .split(" ");
      return Number(ppid) === parent;
    } catch {
      return false;
    }
  });
}

async function answers(url: string): Promise<true | undefined> {
  const client = new pg.Client({ connectionString: `${url}postgres`, connectionTimeoutMillis: 1000 });
  client.on("error", () => undefined);
  try {
    await client.connect();
    await client.end();
    return true;
  } catch {
    return undefined;
  }
}
