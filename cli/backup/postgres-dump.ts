import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";

/** One snapshot of the whole database, in pg_dump's own format. */
export const dumpPostgres = (url: string, file: string): Promise<void> =>
  run("pg_dump", ["--format=custom", "--no-owner", "--no-privileges", `--file=${file}`], url);

/** Into an empty database: all of it, or nothing. */
export const restorePostgres = (url: string, file: string): Promise<void> =>
  run(
    "pg_restore",
    [
      "--single-transaction",
      "--exit-on-error",
      "--no-owner",
      "--no-privileges",
      `--dbname=${nameOf(url)}`,
      file,
    ],
    url,
  );

const nameOf = (url: string) => decodeURIComponent(new URL(url).pathname.slice(1));

/** Where and as whom goes by the environment: a command line is for every user of the machine to read. */
function connection(url: string): Record<string, string> {
  const { hostname, port, username, password, searchParams } = new URL(url);
  const sslMode = searchParams.get("sslmode");
  return {
    PGHOST: searchParams.get("host") ?? decodeURIComponent(hostname).replace(/^\[(.*)\]$/, "$1"),
    PGPORT: port || "5432",
    PGUSER: decodeURIComponent(username),
    PGDATABASE: nameOf(url),
    ...(password === "" ? {} : { PGPASSWORD: decodeURIComponent(password) }),
    ...(sslMode === null ? {} : { PGSSLMODE: sslMode }),
  };
}

async function run(program: string, args: readonly string[], url: string): Promise<void> {
  const child = spawn(program, args, {
    env: { ...process.env, ...connection(url) },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const said = text(child.stderr);
  const [code] = (await once(child, "close").catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    throw new Error(`${program} is not on this machine (Debian: apt-get install postgresql-client).`);
  })) as [number | null];
  if (code !== 0) throw new Error(`${program} failed: ${(await said).trim()}`);
}
