import { systemClock } from "../../engine/clock.ts";
import { systemIds } from "../../engine/ids.ts";
import { seedShippedDeck } from "../../engine/metering/rates.ts";
import { readConfig } from "../config.ts";
import { makeDataDir } from "../data-dir.ts";
import { openStore } from "../open-store.ts";
import { UsageError } from "../usage.ts";
import { bansAdd, bansFirewall, bansLift, bansList } from "./bans.ts";
import { credit } from "./credit.ts";
import type { Command } from "./desk.ts";
import { numbersImport } from "./inventory.ts";
import { invoicesExport } from "./invoices.ts";
import { keyCreate, keyList, keyRevoke } from "./keys.ts";
import { ledgerCorrect, ledgerVerify } from "./ledger.ts";
import { privacyErase, privacyExport, privacyReached } from "./privacy.ts";
import { numberAdd, numberResume, numberRoute, numberSuspend } from "./numbers.ts";
import { portsList, portsMove, portsOut, portsShow } from "./ports.ts";
import { registerUrls, suspenseAssign, suspenseList, topUpFind, unreadable } from "./mpesa.ts";
import { workspaceFreeze, workspaceLimits, workspaceShow, workspaceUnfreeze } from "./limits.ts";
import { prefixesAllow, prefixesList, prefixesRefuse } from "./prefixes.ts";
import { pricesList, pricesSet } from "./prices.ts";
import { recordingsVerify } from "./recordings.ts";
import { ratesExport, ratesImport, ratesList, ratesSet } from "./rates.ts";
import { boxDrain, boxList, boxUndrain } from "./boxes.ts";
import { trunkList, trunkTestCall } from "./trunks.ts";
import { workspaceCreate, workspaceFind } from "./workspaces.ts";

/** `ledger verify` reads everything. */
const transactionMsMax = 3_600_000;

/** The operator's commands: each opens the database, does one thing, prints one JSON line, and closes it. */
export async function operator(subject: string, args: readonly string[]): Promise<void> {
  const [action = "", ...rest] = subject === "credit" ? ["", ...args] : args;
  const named = `${subject} ${action}`.trim();
  if (named === "bans firewall") return bansFirewall(readConfig(process.env), rest);
  const command = commands[named];
  if (!command) throw new UsageError(`"${named}" is not a command.`);
  const config = readConfig(process.env);
  await makeDataDir(config.dataDir);
  const store = await openStore(config, { clock: systemClock, transactionMsMax });
  const ids = systemIds(systemClock);
  try {
    // What they look at and change is the deck, also before the first start.
    if (subject === "rates" || subject === "prices")
      await store.write((tx) => seedShippedDeck(tx, ids, systemClock.nowMs()));
    await command({ config, store, clock: systemClock, ids }, rest);
  } finally {
    await store.close();
  }
}

const commands: Readonly<Record<string, Command>> = {
  "workspace create": workspaceCreate,
  "workspace find": workspaceFind,
  "workspace show": workspaceShow,
  "workspace limits": workspaceLimits,
  "workspace freeze": workspaceFreeze,
  "workspace unfreeze": workspaceUnfreeze,
  "prefixes refuse": prefixesRefuse,
  "prefixes allow": prefixesAllow,
  "prefixes list": prefixesList,
  "bans list": bansList,
  "bans add": bansAdd,
  "bans lift": bansLift,
  "privacy export": privacyExport,
  "privacy erase": privacyErase,
  "privacy reached": privacyReached,
  "key create": keyCreate,
  "key list": keyList,
  "key revoke": keyRevoke,
  "number add": numberAdd,
  "number route": numberRoute,
  "number suspend": numberSuspend,
  "number resume": numberResume,
  "numbers import": numbersImport,
  "ports list": portsList,
  "ports show": portsShow,
  "ports move": portsMove,
  "ports out": portsOut,
  credit,
  "topup find": topUpFind,
  "suspense list": suspenseList,
  "suspense assign": suspenseAssign,
  "mpesa register-urls": registerUrls,
  "mpesa unreadable": unreadable,
  "invoices export": invoicesExport,
  "ledger correct": ledgerCorrect,
  "ledger verify": ledgerVerify,
  "recordings verify": recordingsVerify,
  "rates import": ratesImport,
  "rates list": ratesList,
  "rates export": ratesExport,
  "rates set": ratesSet,
  "prices set": pricesSet,
  "prices list": pricesList,
  "box list": boxList,
  "box drain": boxDrain,
  "box undrain": boxUndrain,
  "trunk list": trunkList,
  "trunk test": trunkTestCall,
};
