import type { OneWay } from "../store/calls.ts";
import type { HungUp } from "../switch/switch.ts";

/** A shorter leg says nothing: the first packets of a slow phone come a second or two after its answer. */
const heardWithinUs = 5_000_000;

/**
 * Pure. What an answered leg's audio lacked, by its counts of packets: only 0 in the whole leg is a fault, since who falls
 * silent, mutes or holds has been heard before. A party that said that it sends nothing (`a=recvonly`, `a=inactive`) is
 * believed. That nothing was sent is a fault only of a leg that was joined to another one: one that is recorded, or
 * waits, is sent nothing where nothing plays.
 */
export function oneWayOf({ audio, endedAtUs }: HungUp, answeredAtUs: number): OneWay | null {
  if (audio === null || endedAtUs - answeredAtUs < heardWithinUs) return null;
  if (audio.received === 0 && audio.party.sends) return "not_heard";
  const joined = audio.bridgedAtUs !== null && endedAtUs - audio.bridgedAtUs >= heardWithinUs;
  return audio.sent === 0 && audio.party.hears && joined ? "not_sent" : null;
}
