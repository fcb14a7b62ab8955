import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { SipAccess } from "../api/parts.ts";
import type { Clock } from "../engine/clock.ts";
import type { Log } from "../engine/log.ts";
import { Devices } from "../engine/sip/devices.ts";
import { Directory } from "../engine/sip/directory.ts";
import type { Signals } from "../engine/store/signals.ts";
import type { Store } from "../engine/store/store.ts";
import { directoryFile } from "../engine/switch/directory-file.ts";
import type { FreeSwitchBox } from "../engine/switch/freeswitch-box.ts";
import type { Config } from "./config.ts";

/** Where devices of the simulated switch register. */
const embeddedDomain = "127.0.0.1";

/** How customers' devices reach the box; null: they are not let in. `embeddedPort`: the simulated switch's. */
export function sipAccess({ sip, freeswitch }: Config, embeddedPort: number | null): SipAccess | null {
  const domain = sipDomain({ sip, freeswitch });
  if (domain === null) return null;
  const ports = embeddedPort === null ? sip.ports : { udp: embeddedPort };
  return { realm: domain, domain, ports };
}

export const sipDomain = ({ sip, freeswitch }: Pick<Config, "sip" | "freeswitch">): string | null =>
  sip.domain ?? (freeswitch === null ? embeddedDomain : null);

/** The list of logins beside the box, and who is registered there: each part where its role runs. */
export function serveDevices(
  config: Config,
  parts: { store: Store; clock: Clock; log: Log; signals: Signals; box: FreeSwitchBox },
) {
  const { signals, box } = parts;
  const devices = new Devices(parts);
  const directory = new Directory({
    ...parts,
    box: box.box,
    folder: join(config.spoolDir, "directory"),
    file: directoryFile,
    written: () => signals.tell("directories", null),
  });
  return { devices, directory };
}

/** Phones are set to a port: the free one that was taken first is kept, and taken again. */
export async function keptSipPort(dataDir: string): Promise<number> {
  return Number(await readFile(join(dataDir, "sip.port"), "utf8").catch(() => "0"));
}

export const keepSipPort = (dataDir: string, port: number): Promise<void> =>
  writeFile(join(dataDir, "sip.port"), String(port), { mode: 0o600 });
