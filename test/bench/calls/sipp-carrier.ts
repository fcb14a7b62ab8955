import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startProcess, type Child } from "../../peers/child.ts";
import { freePort } from "../../peers/free-ports.ts";

const scenario = new URL("../../simulator/sip/sipp/uas-answered.xml", import.meta.url).pathname;

/** It ends by itself, whatever becomes of us. */
const secondsMax = 1800;

export interface SippCarrier {
  readonly host: string;
  readonly port: number;
  readonly child: Child;
  stop(): Promise<void>;
}

/** SIPp as a carrier that rings, answers at once and sends no sound: 4 % of a core where ours would take half of one. */
export async function startSippCarrier(): Promise<SippCarrier> {
  const folder = mkdtempSync(join(tmpdir(), "sipp-"));
  const port = await freePort();
  const child = startProcess(
    "sipp",
    [
      ...["-sf", scenario, "-i", "127.0.0.1", "-p", String(port), "-mp", String(await freePort())],
      ...["-nostdin", "-timeout", `${secondsMax}s`, "-skip_rlimit"],
    ],
    { env: { TERM: "dumb" }, outputFile: join(folder, "stdout") },
  );
  return {
    host: "127.0.0.1",
    port,
    child,
    async stop() {
      await child.stop(500);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
