import { isIPv4 } from "node:net";
import type { SipAccess } from "../api/parts.ts";
import type { Clock } from "../engine/clock.ts";
import type { Ids } from "../engine/ids.ts";
import type { Log } from "../engine/log.ts";
import { Directory } from "../engine/sip/directory.ts";
import { Firewall } from "../engine/sip/firewall.ts";
import { LoginFailures } from "../engine/sip/login-failures.ts";
import type { Trunk } from "../engine/sip/trunks/trunk-file.ts";
import type { TrunkWatch } from "../engine/sip/trunks/trunk-watch.ts";
import type { Signals } from "../engine/store/signals.ts";
import type { Store } from "../engine/store/store.ts";
import type { Outbox } from "../engine/webhooks/outbox.ts";
import { tellWorkspace } from "../engine/webhooks/workspace-events.ts";
import type { Config } from "./config.ts";

/** How customers' devices reach the box; null: they are not let in. `embeddedPort`: the simulated switch's. */
export function sipAccess({ sip }: Pick<Config, "sip">, embeddedPort: number | null): SipAccess | null {
  const { domain } = sip;
  if (domain === null) return null;
  const ports = embeddedPort === null ? sip.ports : { udp: embeddedPort };
  return { realm: domain, domain, ports };
}

/**
 * Whose packets are dropped by no ban, whatever they send: what the operator names, the boxes, the trunk
 * edge, and the trunks. CIDRs.
 */
export function neverBanned(
  { banNever, boxes, edgeSip }: Pick<Config, "banNever" | "boxes" | "edgeSip">,
  trunks: readonly Pick<Trunk, "addresses">[],
): string[] {
  const own = [...boxes.map(({ host }) => host), edgeSip?.host].flatMap((host) =>
    host !== undefined && isIPv4(host) ? [`${host}/32`] : [],
  );
  // Loopback is in BAN_NEVER, and who takes it out of there means it.
  const theirs = [...own, ...trunks.flatMap(({ addresses }) => addresses)];
  return [...new Set([...banNever, ...theirs.filter((range) => !range.startsWith("127."))])];
}

/** The list of logins beside each box, who failed to log in, and whom the firewall keeps out. */
export function serveDevices(
  config: Config,
  parts: {
    store: Store;
    clock: Clock;
    ids: Ids;
    log: Log;
    signals: Signals;
    outbox: Outbox;
    boxes: readonly string[];
    trunks: Pick<TrunkWatch, "trunks">;
  },
) {
  const { signals, boxes } = parts;
  const failures = new LoginFailures({
    ...{ ...parts, never: () => neverBanned(config, parts.trunks.trunks ?? []) },
    tell: (tx, event) => tellWorkspace(tx, parts, event),
    changed: (kind) => signals.tell(kind === "address" ? "bans" : "logins", null),
  });
  const firewall = config.firewall === "nft" ? new Firewall(parts) : null;
  const written = () => signals.tell("directories", null);
  const directories = boxes.map(
    (box) => new Directory({ ...parts, box, spoolDir: config.spoolDir, written }),
  );
  return { directories, failures, firewall };
}
