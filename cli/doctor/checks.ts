import { access, constants, mkdir, statfs } from "node:fs/promises";
import type { Clock } from "../../engine/clock.ts";
import { rulesAreLoaded } from "../../engine/sip/firewall.ts";
import { touch } from "../../engine/store/migrate.ts";
import type { Config } from "../config.ts";
import { makeDataDir } from "../data-dir.ts";
import { connectObjectStorage } from "../object-storage.ts";
import { openMail } from "../open-mail.ts";
import { openStore } from "../open-store.ts";
import { checkDaraja } from "./daraja.ts";
import { checkAddresses } from "./check-addresses.ts";
import { checkSecrets } from "./check-secrets.ts";
import { checkSipTrace } from "./check-sip-trace.ts";
import { checkDrains } from "./check-drains.ts";
import { checkEdge } from "./check-edge.ts";
import { checkPeers } from "./check-peers.ts";
import { checkSwitch } from "./check-switch.ts";
import { checkTrunks } from "./trunks.ts";
import { broken, doubtful, sound, wordsOf, type Finding } from "./finding.ts";

export type Check = (config: Config, clock: Clock) => Promise<Finding>;

/** Every part that Sautikit stands on. */
export const checks: readonly (readonly [part: string, check: Check])[] = [
  ["folder", checkFolder],
  ["database", checkDatabase],
  ["sealing key", checkSecrets],
  ["switch", checkSwitch],
  ["drains", checkDrains],
  ["trunks", checkTrunks],
  ["switch's addresses", checkAddresses],
  ["boxes' SIP", checkPeers],
  ["SIP trace", checkSipTrace],
  ["trunk edge", checkEdge],
  ["spool", checkSpool],
  ["firewall", checkFirewall],
  ["storage", checkStorage],
  ["storage's place", checkPlace],
  ["speech", checkSpeech],
  ["mail", checkMail],
  ["M-Pesa", checkDaraja],
];

/** An hour of a thousand recorded legs is 100 GB; below this a busy evening fills the disk. */
const roomBytesMin = 5e9;

async function checkFolder({ dataDir }: Config): Promise<Finding> {
  const openToOthers = await makeDataDir(dataDir);
  return openToOthers === null
    ? sound(dataDir)
    : doubtful(`others on this machine can look into ${dataDir} (mode ${openToOthers})`, "chmod 700 it.");
}

async function checkDatabase(config: Config, clock: Clock): Promise<Finding> {
  const { kind } = config.database;
  let store;
  try {
    store = await openStore(config, { clock });
    await store.write(touch);
    return sound(`${kind} takes writes, and its schema is up to date`);
  } catch (error) {
    return broken(
      `${kind}: ${wordsOf(error)}`,
      kind === "sqlite"
        ? "Is the folder there, ours to write, and its disk not full?"
        : "Is the server running, and does DATABASE_URL name its address, a user, their password and a database of theirs?",
    );
  } finally {
    await store?.close();
  }
}

async function checkSpool({ spoolDir }: Config): Promise<Finding> {
  try {
    await mkdir(spoolDir, { recursive: true, mode: 0o700 });
    await access(spoolDir, constants.R_OK | constants.W_OK | constants.X_OK);
    const { bavail, bsize } = await statfs(spoolDir);
    const freeBytes = bavail * bsize;
    const detail = `${spoolDir}, ${(freeBytes / 1e9).toFixed(1)} GB free`;
    return freeBytes < roomBytesMin
      ? doubtful(detail, "Make room: recordings wait here until the storage has them.")
      : sound(detail);
  } catch (error) {
    return broken(wordsOf(error), "The switch's user and ours must both be able to write into SPOOL_DIR.");
  }
}

async function checkFirewall({ firewall, sip, boxes }: Config): Promise<Finding> {
  if (sip.domain === null) return sound("not needed: SIP devices are not let in");
  if (firewall === "nft")
    return (await rulesAreLoaded())
      ? sound("the rules for SIP devices are in nftables")
      : broken(
          "nftables does not have the rules for SIP devices, so that nobody who is banned is kept out; or we may not look",
          "Load them on the media server's box: npx sautikit bans firewall | nft -f - (CAP_NET_ADMIN, docs/bans.md).",
        );
  const detail = "none: the calls of banned addresses are refused, and their packets reach the media server";
  return boxes.length === 0
    ? sound(`${detail}; the simulated one is on loopback`)
    : doubtful(detail, "Set FIREWALL=nft where the spool role runs (docs/bans.md).");
}

async function checkStorage(config: Config, clock: Clock): Promise<Finding> {
  const { endpoint, bucket } = config.s3;
  if (endpoint === null) return sound("the embedded one, which `start` brings along (S3_ENDPOINT)");
  const storage = await connectObjectStorage(config, clock);
  const key = "doctor/checked.txt";
  try {
    await storage.ensureBucket();
    await storage.putBytes(new TextEncoder().encode("checked\n"), key, "text/plain");
    const kept = await storage.get(key, 100);
    await storage.delete(key);
    if (kept?.length !== 8) throw new Error("What was put there did not come back.");
    return sound(`${endpoint}, bucket ${bucket}: an object was put, read and deleted`);
  } catch (error) {
    return broken(
      `${endpoint}, bucket ${bucket}: ${wordsOf(error)}`,
      "Is the server reachable, and may S3_ACCESS_KEY_ID put, get and delete objects in S3_BUCKET?",
    );
  } finally {
    storage.close();
  }
}

/** Customers are promised that their recordings are in Kenya. */
function checkPlace({ s3: { regionNote } }: Config): Promise<Finding> {
  if (regionNote === null)
    return Promise.resolve(
      doubtful("nobody said where the bucket stands", 'Set S3_REGION_NOTE, like "Nairobi, Kenya".'),
    );
  const place = /\bkenya\b/i.test(regionNote)
    ? sound(regionNote)
    : doubtful(
        `${regionNote}, and customers are told that recordings stay in Kenya`,
        "Move the bucket, or tell them; voices are personal data (Data Protection Act 2019, part VI).",
      );
  return Promise.resolve(place);
}

async function checkSpeech({ speechCommand }: Config): Promise<Finding> {
  if (speechCommand === null) return sound("the built-in engine, English and Swahili");
  const { program } = speechCommand;
  try {
    await access(program, constants.X_OK);
    return sound(program);
  } catch (error) {
    return broken(wordsOf(error), "SPEECH_COMMAND must name a program that can be run; docs/speech.md.");
  }
}

async function checkMail(config: Config): Promise<Finding> {
  const { url } = config.mail;
  if (url === null)
    return doubtful("mails are files in DATA_DIR/mail, and reach nobody", "Set SMTP_URL and MAIL_FROM.");
  const { host } = new URL(url);
  const transport = openMail(config);
  try {
    await transport.check();
    return sound(`${host} lets us in`);
  } catch (error) {
    return broken(
      `${host}: ${wordsOf(error)}`,
      "Are the address, the port, the user and the password of SMTP_URL right?",
    );
  } finally {
    transport.close();
  }
}
