import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startSautikit } from "./child.ts";
import type { SwitchOptions, SwitchUnderTest } from "./switch-under-test.ts";

const password = "wanjiru-calls-otieno";
const realm = "sip.example.test";

/** The simulated switch as `sautikit simulator switch`. */
export async function startSimulatedSwitchProcess(options: SwitchOptions): Promise<SwitchUnderTest> {
  const folder = mkdtempSync(join(tmpdir(), "simulated-switch-"));
  const spoolDir = options.spoolDir ?? join(folder, "spool");
  for (const name of ["recordings", "cdr", "media", "directory", "trunks"])
    mkdirSync(join(spoolDir, name), { recursive: true });
  const { child, ready } = await startSautikit(
    [
      ...["simulator", "switch", "--exit-with-parent", "--cdr-dir", join(spoolDir, "cdr")],
      ...["--gateway", `carrier=${[options.carrier, options.edge].flatMap(hostPort).join("@")}`],
      ...["--esl-port", String(options.eslPort ?? 0), "--trunks-spool", spoolDir],
      ...(options.devices
        ? [
            ...[
              "--devices-port",
              String(options.devicesPort ?? 0),
              "--devices-realm",
              realm,
              "--devices-spool",
              spoolDir,
            ],
            ...["--devices-expires-min", "1"],
            ...["--devices-media-timeout", String(options.mediaTimeoutS ?? 300)],
          ]
        : []),
      ...(options.hep ? ["--hep", `${options.hep.host}:${options.hep.port}`] : []),
    ],
    { folder, env: { ESL_PASSWORD: password }, ...(options.within && { within: options.within }) },
  );
  return {
    kind: "simulator",
    child,
    esl: { ...address(ready["esl"]), password },
    sip: address(ready["sip"]),
    devices: options.devices ? { ...address(ready["devices"]), realm } : null,
    spoolDir,
    async stop() {
      await child.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const hostPort = (to: { host: string; port: number } | undefined): string[] =>
  to === undefined ? [] : [`${to.host}:${to.port}`];

function address(text: unknown): { host: string; port: number } {
  const [host = "", port = ""] = String(text).split(":");
  return { host, port: Number(port) };
}
