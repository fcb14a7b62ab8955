import { lookup } from "node:dns/promises";
import ipaddr from "ipaddr.js";
import type { Clock } from "../../engine/clock.ts";
import type { Log } from "../../engine/log.ts";
import { gatewayIn, profileAddresses, type ProfileAddresses } from "../../engine/switch/addresses.ts";
import { api } from "../../engine/switch/commands.ts";
import { Connection } from "../../engine/switch/connection.ts";
import { devicesProfile } from "../../engine/switch/devices.ts";
import type { Trunk, TrunkFile } from "../../engine/sip/trunks/trunk-file.ts";
import type { BoxConfig, Config } from "../config.ts";
import { readTrunks } from "../open-trunks.ts";
import { broken, doubtful, sound, wordsOf, worst, type Finding } from "./finding.ts";

const waitMs = 3_000;

/** Whether the addresses that the switch tells others are ones that they can reach: else calls are heard one way only. */
export function checkAddresses(config: Config, clock: Clock): Promise<Finding> {
  return compare(config, clock).catch((error: unknown) =>
    doubtful(`not looked at: ${wordsOf(error)}`, "Mend what is wrong with the switch first."),
  );
}

/** At the start: a wrong address is noticed by a customer's silence, and otherwise by nobody. */
export async function warnOfAddresses(
  config: Config,
  { clock, log }: { clock: Clock; log: Log },
): Promise<void> {
  // A switch that is away says nothing of its addresses, and is told of elsewhere.
  const finding = await compare(config, clock).catch(() => null);
  if (finding === null || finding.verdict === "ok") return;
  const { detail, remedy } = finding;
  log.warn(
    { detail, remedy },
    "calls may be heard one way only: the switch tells others the wrong addresses",
  );
}

async function compare(config: Config, clock: Clock): Promise<Finding> {
  // A broken one is told of elsewhere.
  const file = await readTrunks(config).catch(() => null);
  const [first, ...others] = await Promise.all(
    config.boxes.map(async (box) => {
      const finding = await compareBox(box, config, file, clock);
      return config.boxes.length === 1 ? finding : { ...finding, detail: `${box.box}: ${finding.detail}` };
    }),
  );
  return first === undefined
    ? sound("all on loopback, with the simulated switch")
    : worst([first, ...others]);
}

/** Where there is a file of trunks, the gateway of the switch's own is used by nobody. */
async function compareBox(
  { host, port, password }: BoxConfig,
  { gateway, sip }: Config,
  file: TrunkFile | null,
  clock: Clock,
): Promise<Finding> {
  const limits = { connectTimeoutMs: waitMs, commandTimeoutMs: waitMs };
  const connection = await Connection.open({ host, port, password, clock, ...limits });
  try {
    const status: Status = (...what) => connection.send(api("sofia", "xmlstatus", ...what));
    const findings = [
      ...(file === null
        ? [await ofOwnGateway(status, gateway)]
        : await ofTrunks(status, file.ok ? file.trunks : [])),
      ...(sip.domain === null ? [] : await ofDevices(status)),
    ];
    return (
      findings.find(({ verdict }) => verdict === "broken") ??
      findings.find(({ verdict }) => verdict === "warn") ??
      sound(findings.map(({ detail }) => detail).join("; ") || "no trunk is loaded yet")
    );
  } finally {
    connection.close("done");
  }
}

type Status = (...what: string[]) => Promise<string>;

async function ofOwnGateway(status: Status, name: string): Promise<Finding> {
  return (
    (await ofGateway(status, name)) ??
    broken(`the switch has no gateway ${name}`, "Is TRUNK_GATEWAY the name of one of its gateways?")
  );
}

/** Of those that the switch has loaded; of the others `trunks` tells. */
async function ofTrunks(status: Status, trunks: readonly Pick<Trunk, "name">[]): Promise<Finding[]> {
  const findings = [];
  for (const { name } of trunks) findings.push(await ofGateway(status, name));
  return findings.filter((finding) => finding !== null);
}

/** Null: the switch has no such gateway. */
async function ofGateway(status: Status, name: string): Promise<Finding | null> {
  const gateway = gatewayIn(await status("gateway", name));
  if (gateway === null) return null;
  const profile = profileAddresses(await status("profile", gateway.profile));
  if (profile === null) return broken(`the switch's profile ${gateway.profile} is away`, "See its log.");
  return toCarrier(profile, gateway.host, await addressesOf(gateway.host));
}

async function ofDevices(status: Status): Promise<Finding[]> {
  const devices = profileAddresses(await status("profile", devicesProfile));
  return devices === null ? [] : [toDevices(devices)];
}

/** `carrier`: what its name stands for. */
export function toCarrier({ profile, sip, rtp }: ProfileAddresses, name: string, carrier: string[]): Finding {
  const detail = `${profile} tells ${name} to send SIP to ${sip} and sound to ${rtp}`;
  const told = [sip, rtp].map(rangeOf);
  if (told.includes("none"))
    return broken(`${detail}, which is no address`, "Set SIP_HOST at FreeSWITCH to the box's own address.");
  const far = carrier.map(rangeOf);
  if (told.includes("loopback") && far.some((range) => range !== "loopback"))
    return broken(
      `${detail}, and nobody outside of the box can`,
      "Set SIP_HOST at FreeSWITCH to the address that the carrier reaches.",
    );
  if (told.includes("private") && far.includes("public"))
    return doubtful(
      `${detail}, a private address, and the carrier is on a public one: it may not be heard`,
      "Set SIP_HOST to an address of the box that the carrier reaches, or see that a link to the carrier carries that network.",
    );
  return sound(detail);
}

export function toDevices({ profile, sip, rtp }: ProfileAddresses): Finding {
  const detail = `${profile} tells phones to send SIP to ${sip} and sound to ${rtp}`;
  const told = [sip, rtp].map(rangeOf);
  if (told.includes("none"))
    return broken(
      `${detail}, which is no address`,
      "Set DEVICES_PUBLIC_HOST at FreeSWITCH to an IPv4 address.",
    );
  if (told.includes("private"))
    return doubtful(
      `${detail}, a private address: phones outside of that network are not heard`,
      "Set DEVICES_PUBLIC_HOST at FreeSWITCH to the public address that leads to the box, unless all phones are inside.",
    );
  if (told[0] !== told[1])
    return broken(`${detail}: one of the two is not for them`, "Set DEVICES_PUBLIC_HOST at FreeSWITCH.");
  return sound(detail);
}

type Range = "none" | "loopback" | "private" | "public";

function rangeOf(host: string): Range {
  if (!ipaddr.isValid(host)) return "none";
  const range = ipaddr.process(host).range();
  if (range === "loopback" || range === "unicast") return range === "unicast" ? "public" : range;
  return range === "unspecified" || range === "broadcast" || range === "multicast" ? "none" : "private";
}

/** Empty: nobody knows. */
async function addressesOf(host: string): Promise<string[]> {
  if (ipaddr.isValid(host)) return [host];
  const found = await lookup(host, { all: true }).catch(() => []);
  return found.map(({ address }) => address);
}
