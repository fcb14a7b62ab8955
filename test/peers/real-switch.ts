import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { startProcess, type Child } from "./child.ts";
import { claimRtpPorts, freePort } from "./free-ports.ts";
import type { SwitchOptions, SwitchUnderTest } from "./switch-under-test.ts";
import { eventually } from "./waiting.ts";

const password = "wanjiru-calls-otieno";
const configuration = new URL("../../freeswitch-conf", import.meta.url).pathname;
const loopback = "127.0.0.1";

/** A real FreeSWITCH (`FREESWITCH_BIN`, and `FREESWITCH_MODS` where its modules lie elsewhere) with freeswitch-conf/. */
export async function startRealSwitch(options: SwitchOptions): Promise<SwitchUnderTest> {
  const folder = mkdtempSync(join(tmpdir(), "freeswitch-"));
  const spoolDir = options.spoolDir ?? join(folder, "spool");
  for (const name of ["recordings", "cdr", "media", "directory", "trunks"])
    mkdirSync(join(spoolDir, name), { recursive: true });
  const eslPort = options.eslPort ?? (await freePort());
  const sipPort = await freePort();
  const devices = options.devices
    ? { host: loopback, port: await freePort(), realm: "sip.example.test" }
    : null;
  const rtpPorts = await claimRtpPorts();
  const child = startFreeSwitch(
    folder,
    {
      ESL_PORT: String(eslPort),
      ESL_PASSWORD: password,
      SIP_PORT: String(sipPort),
      RTP_PORT_FIRST: String(rtpPorts.first),
      RTP_PORT_LAST: String(rtpPorts.last),
      CARRIER_HOST: options.carrier.host,
      CARRIER_PORT: String(options.carrier.port),
      ...(options.edge && { CARRIER_PROXY: `${options.edge.host}:${options.edge.port}` }),
      SPOOL_DIR: spoolDir,
      FREESWITCH_LOG_LEVEL: "info",
      // Many tests share it, and fifty calls at once are one of them.
      SESSIONS_PER_SECOND: "500",
      SESSIONS_MAX: "2000",
      ...(devices && {
        DEVICES_HOST: devices.host,
        DEVICES_PORT: String(devices.port),
        DEVICES_EXPIRES_MIN: "1",
        SIP_DOMAIN: devices.realm,
        ...(options.mediaTimeoutS && { DEVICES_MEDIA_TIMEOUT: String(options.mediaTimeoutS) }),
      }),
      ...(options.hep && { SIP_TRACE_TO: `${options.hep.host}:${options.hep.port}` }),
      ...options.env,
    },
    options.within,
  );
  const stop = async () => {
    await child.stop(15_000);
    rtpPorts.release();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await Promise.race([
      eventually("FreeSWITCH's event socket", () => answersEsl(eslPort), { withinMs: 50_000 }),
      child.exited().then(({ code, signal }) => {
        throw new Error(`FreeSWITCH ended (${code ?? signal}):\n${logOf(folder)}`);
      }),
    ]);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    kind: "freeswitch",
    child,
    esl: { host: loopback, port: eslPort, password },
    sip: { host: loopback, port: sipPort },
    devices,
    spoolDir,
    stop,
  };
}

/**
 * Starts it in the foreground, at normal priority: as root it would else take real-time priority and starve the tests.
 * All that it writes goes below `folder`.
 */
export function startFreeSwitch(
  folder: string,
  env: Record<string, string>,
  within: readonly string[] = [],
): Child {
  const binary = process.env["FREESWITCH_BIN"] ?? "freeswitch";
  const modules = process.env["FREESWITCH_MODS"] ?? join(dirname(binary), "../lib/freeswitch/mod");
  // Each that is not named it would take from where it is installed, and write there.
  const folders = [
    ...["log", "db", "run", "scripts", "storage", "cache"],
    ...["recordings", "temp", "certs", "sounds", "grammar", "htdocs"],
  ];
  for (const name of folders) mkdirSync(join(folder, name), { recursive: true });
  const [command, ...before] = [...within, binary];
  return startProcess(
    command,
    [
      ...before,
      ...["-nc", "-nf", "-np", "-nonat", "-nonatmap", "-conf", configuration, "-mod", modules],
      ...folders.flatMap((name) => [`-${name}`, join(folder, name)]),
    ],
    { env, outputFile: join(folder, "stdout") },
  );
}

const logOf = (folder: string): string => readFileSync(join(folder, "log", "freeswitch.log"), "utf8");

/** True once it asks for the password, which it does when all of its modules are there. */
async function answersEsl(port: number): Promise<true | undefined> {
  const socket = connect({ host: loopback, port });
  try {
    const [greeting] = (await once(socket, "data", { signal: AbortSignal.timeout(1000) })) as [Buffer];
    return greeting.includes("auth/request") ? true : undefined;
  } finally {
    socket.destroy();
  }
}
