import { isIPv4 } from "node:net";
import type { BoxConfig, Config } from "../config.ts";
import { doubtful, sound, type Finding } from "./finding.ts";

const remedy =
  "Give each box's SIP an IPv4 address of its own, ?sip=<address>:<port> in FREESWITCH_URLS, alike on every machine (docs/many.md).";

/** Whether the boxes call each other, for a device that is at another one than its call; where one cannot, that device is not rung. */
export function checkPeers({ boxes, sip }: Config): Promise<Finding> {
  return Promise.resolve(boxes.length < 2 || sip.domain === null ? notNeeded(boxes) : compare(boxes));
}

const notNeeded = ({ length }: readonly BoxConfig[]): Finding =>
  sound(`not needed: ${length < 2 ? "there is one" : "SIP devices are not let in"}`);

function compare(boxes: readonly BoxConfig[]): Finding {
  const at = boxes.map(({ box, sip }) => ({ box, host: sip.host, address: `${sip.host}:${sip.port}` }));
  const named = at.filter(({ host }) => !isIPv4(host));
  if (named.length > 0)
    return doubtful(
      `devices at ${named.map(({ box }) => box).join(", ")} are not rung for calls that are on another box: ` +
        `${named.map(({ address }) => address).join(", ")} is no IPv4 address`,
      remedy,
    );
  const shared = at.filter(({ address }, index) => at.findIndex((one) => one.address === address) < index);
  if (shared.length > 0)
    return doubtful(
      `more than one box is at ${[...new Set(shared.map(({ address }) => address))].join(", ")}: devices at one of them are not rung`,
      remedy,
    );
  return sound(at.map(({ box, address }) => `${box} is at ${address}`).join(", "));
}
