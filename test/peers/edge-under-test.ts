import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startProcess, startSautikit, type Child } from "./child.ts";
import { freePort } from "./free-ports.ts";
import { eventually } from "./waiting.ts";

const loopback = "127.0.0.1";
const secret = "mlango-wa-pembeni";

interface Address {
  host: string;
  port: number;
}

/** A drachtio-server in a process of its own: the simulated one, or a real one where `DRACHTIO_BIN` names it. */
export interface EdgeUnderTest {
  readonly child: Child;
  readonly sip: Address;
  readonly admin: Address & { secret: string };
  /** How `sautikit` is told of it. */
  readonly env: { DRACHTIO_URL: string; EDGE_SIP: string };
  stop(): Promise<void>;
}

export const edgeKind = process.env["DRACHTIO_BIN"] ? "drachtio" : "simulator";

/** `ports`: of one that was there before. */
export async function startEdgeUnderTest(
  ports: { sip?: number; admin?: number } = {},
): Promise<EdgeUnderTest> {
  const folder = mkdtempSync(join(tmpdir(), "edge-"));
  const binary = process.env["DRACHTIO_BIN"];
  const { child, sip, admin } = binary
    ? await startDrachtio(binary, folder, ports)
    : await startSimulated(folder, ports);
  return {
    ...{ child, sip, admin: { ...admin, secret } },
    env: {
      DRACHTIO_URL: `drachtio://:${secret}@${admin.host}:${admin.port}`,
      EDGE_SIP: `${sip.host}:${sip.port}`,
    },
    async stop() {
      await child.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function startSimulated(folder: string, { sip = 0, admin = 0 }: { sip?: number; admin?: number }) {
  const { child, ready } = await startSautikit(
    [
      ...["simulator", "edge", "--exit-with-parent"],
      ...["--sip-port", String(sip), "--admin-port", String(admin)],
    ],
    { folder, env: { DRACHTIO_SECRET: secret } },
  );
  return { child, sip: addressOf(ready["sip"]), admin: addressOf(ready["admin"]) };
}

/** As docs/edge.md has it. */
async function startDrachtio(binary: string, folder: string, ports: { sip?: number; admin?: number }) {
  const sip = { host: loopback, port: ports.sip ?? (await freePort()) };
  const admin = { host: loopback, port: ports.admin ?? (await freePort()) };
  const configuration = join(folder, "drachtio.conf.xml");
  writeFileSync(
    configuration,
    `<drachtio>
  <admin port="${admin.port}" secret="${secret}">${admin.host}</admin>
  <sip><contacts><contact>sip:${sip.host}:${sip.port};transport=udp</contact></contacts></sip>
  <logging><console/><loglevel>info</loglevel></logging>
</drachtio>
`,
  );
  const outputFile = join(folder, "drachtio.log");
  const child = startProcess(binary, ["-f", configuration], { outputFile });
  await Promise.race([
    eventually("drachtio's admin port", () => connects(admin), { withinMs: 10_000 }),
    child.exited().then(() => {
      throw new Error(`drachtio ended:\n${readFileSync(outputFile, "utf8")}`);
    }),
  ]);
  return { child, sip, admin };
}

async function connects(to: Address): Promise<true | undefined> {
  const socket = connect(to);
  try {
    await once(socket, "connect", { signal: AbortSignal.timeout(500) });
    return true;
  } finally {
    socket.destroy();
  }
}

function addressOf(text: unknown): Address {
  const [host = "", port = ""] = String(text).split(":");
  return { host, port: Number(port) };
}
