import type { SipAccess } from "../api/parts.ts";
import type { Clock } from "../engine/clock.ts";
import type { Log } from "../engine/log.ts";
import { Devices } from "../engine/sip/devices.ts";
import { Directory } from "../engine/sip/directory.ts";
import type { Signals } from "../engine/store/signals.ts";
import type { Store } from "../engine/store/store.ts";
import type { FreeSwitchBox } from "../engine/switch/freeswitch-box.ts";
import type { Config } from "./config.ts";

/** How customers' devices reach the box; null: they are not let in. `embeddedPort`: the simulated switch's. */
export function sipAccess({ sip }: Pick<Config, "sip">, embeddedPort: number | null): SipAccess | null {
  const { domain } = sip;
  if (domain === null) return null;
  const ports = embeddedPort === null ? sip.ports : { udp: embeddedPort };
  return { realm: domain, domain, ports };
}

/** The list of logins beside the box, and who is registered there: each part where its role runs. */
export function serveDevices(
  config: Config,
  parts: { store: Store; clock: Clock; log: Log; signals: Signals; box: FreeSwitchBox },
) {
  const { signals, box } = parts;
  const devices = new Devices(parts);
  const directory = new Directory({
    ...{ ...parts, box: box.box, spoolDir: config.spoolDir },
    written: () => signals.tell("directories", null),
  });
  return { devices, directory };
}
