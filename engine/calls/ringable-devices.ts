import type { NumberId, SipId } from "../ids.ts";
import { ringable } from "../store/sip-credentials.ts";
import { encryptedFor, isDeviceContact } from "../switch/devices.ts";
import type { CallChange } from "./call-change.ts";
import type { DeviceWay } from "./command.ts";

/** As many as `to` takes. */
const devicesMax = 10;
/** A device may have been at several boxes lately. */
const bindingsMax = 50;

/** The bindings that the call's box can ring, by itself or over the box that they are at; the latest first. */
export async function ringableNow(
  { tx, nowMs, firstLeg, parts: { peers } }: CallChange,
  of: { number: NumberId } | { credential: SipId },
): Promise<DeviceWay[]> {
  const devices = new Map<string, DeviceWay>();
  for (const { box, username, contact, userAgent } of await ringable(tx, of, { nowMs, limit: bindingsMax })) {
    const isHere = box === firstLeg.box;
    // One that has gone from box to box is at the last of them.
    const key = `${username} ${contact}`;
    if (!isDeviceContact(contact) || devices.has(key)) continue;
    if (!isHere && (peers.addressOf(box) === null || !peers.isUp(box))) continue;
    const encrypted = encryptedFor(userAgent);
    devices.set(key, {
      ...{ kind: "device", contact },
      ...(encrypted && { encrypted }),
      ...(isHere ? {} : { box }),
    });
  }
  return [...devices.values()].slice(0, devicesMax);
}
