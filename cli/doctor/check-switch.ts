import ipaddr from "ipaddr.js";
import type { Clock } from "../../engine/clock.ts";
import { api } from "../../engine/switch/commands.ts";
import { Connection } from "../../engine/switch/connection.ts";
import type { BoxConfig, Config } from "../config.ts";
import { broken, doubtful, sound, wordsOf, worst, type Finding } from "./finding.ts";

/** The first one without the holes that are used in the wild: a SIP MESSAGE ran commands before it. */
export const freeSwitchFloor = [1, 11, 4] as const;
const waitMs = 3_000;

export async function checkSwitch({ boxes }: Config, clock: Clock): Promise<Finding> {
  const [first, ...others] = await Promise.all(boxes.map((box) => checkBox(box, clock)));
  if (first === undefined) return sound("the simulated switch, which `start` brings along (FREESWITCH_URLS)");
  return worst([first, ...others]);
}

async function checkBox({ host, port, password, box }: BoxConfig, clock: Clock): Promise<Finding> {
  let connection;
  try {
    const limits = { connectTimeoutMs: waitMs, commandTimeoutMs: waitMs };
    connection = await Connection.open({ host, port, password, clock, ...limits });
    const text = await connection.send(api("version"));
    const sipHost = await connection.send(api("global_getvar", "sip_host"));
    return ofVersion(box, text, isLoopback(host) && isLoopback(sipHost.trim()));
  } catch (error) {
    return broken(
      `${box} cannot be asked: ${wordsOf(error)}`,
      "Is FreeSWITCH running, its event socket on that address, with that password and this host in its list? docs/freeswitch.md",
    );
  } finally {
    connection?.close("done");
  }
}

/** `onLoopback`: nobody outside the machine reaches it. */
export function ofVersion(box: string, text: string, onLoopback: boolean): Finding {
  if (text.startsWith("Sautikit simulator"))
    return doubtful(`${box} is the simulated switch`, "It carries no calls to a real telephone.");
  const found = /\b(\d+)\.(\d+)\.(\d+)\b/.exec(text);
  if (!found) return broken(`${box} does not tell its version`, "Is it a FreeSWITCH? docs/freeswitch.md");
  const version = found.slice(1).map(Number);
  const detail = `${box} is FreeSWITCH ${version.join(".")}`;
  if (!isBelow(version, freeSwitchFloor)) return sound(detail);
  const floor = freeSwitchFloor.join(".");
  const holes = `${detail}, and before ${floor} strangers can run commands in it`;
  const remedy = `Bring it to ${floor} or newer.`;
  return onLoopback
    ? doubtful(`${holes}; its event socket and SIP are on loopback, so that none reaches it`, remedy)
    : broken(holes, remedy);
}

function isBelow(version: readonly number[], floor: readonly number[]): boolean {
  const at = floor.findIndex((part, index) => part !== version[index]);
  return at >= 0 && (version[at] ?? 0) < (floor[at] ?? 0);
}

function isLoopback(host: string): boolean {
  if (host === "localhost") return true;
  return ipaddr.isValid(host) && ipaddr.process(host).range() === "loopback";
}
