import { readFile, rename, writeFile } from "node:fs/promises";
import type { Clock } from "../engine/clock.ts";
import type { Ids } from "../engine/ids.ts";
import type { Secrets } from "../engine/secrets.ts";
import type { Store } from "../engine/store/store.ts";
import { createLedger } from "../engine/wallet/ledger.ts";
import { createWallet } from "../engine/wallet/wallet.ts";
import { createKey } from "../engine/workspaces/api-keys.ts";
import { addNumber } from "../engine/numbers/numbers.ts";
import { updateWorkspace } from "../engine/store/workspaces.ts";
import { createWorkspace } from "../engine/workspaces/workspaces.ts";

export interface Demo {
  base_url: string;
  /** The simulated carrier's page; null beside a real switch. */
  carrier_status: string | null;
  /** The control page of Daraja's stand-in; null with Safaricom's own. */
  daraja_control: string | null;
  api_key: string;
  workspace_id: string;
  number: string;
  voice_signing_secret: string;
}

/** The number of the product page's samples. */
const demoNumber = "+254200000001";
const demoCreditMinor = 100_000;

/**
 * On the first start of the embedded default: a workspace with KES 1,000, a number and a key, in `file`,
 * which its owner alone can read. Later starts only bring the addresses up to date.
 */
export async function makeDemoWorkspace(parts: {
  store: Store;
  ids: Ids;
  secrets: Secrets;
  clock: Clock;
  file: string;
  baseUrl: string;
  carrierStatusUrl: string | null;
  darajaControlUrl: string | null;
  /** Of the number, at the first start. */
  voiceCallbackUrl: string | null;
}): Promise<Demo> {
  const { file, baseUrl, carrierStatusUrl, darajaControlUrl } = parts;
  const addresses = { base_url: baseUrl, carrier_status: carrierStatusUrl, daraja_control: darajaControlUrl };
  const demo: Demo = { ...addresses, ...((await readDemo(file)) ?? (await create(parts))), ...addresses };
  await writeFile(`${file}.new`, `${JSON.stringify(demo, null, 2)}\n`, { mode: 0o600 });
  await rename(`${file}.new`, file);
  return demo;
}

export async function readDemo(file: string): Promise<Demo | null> {
  try {
    return JSON.parse(await readFile(file, "utf8")) as Demo;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

type Account = Omit<Demo, "base_url" | "carrier_status" | "daraja_control">;

function create({
  store,
  ids,
  secrets,
  clock,
  voiceCallbackUrl,
}: Parameters<typeof makeDemoWorkspace>[0]): Promise<Account> {
  const nowMs = clock.nowMs();
  return store.write(async (tx) => {
    const workspace = await createWorkspace(tx, ids, { name: "Demo", createdAtMs: nowMs });
    // What it is tried with is short calls to the few numbers of the simulated carrier, which looks like fraud elsewhere.
    await updateWorkspace(tx, workspace.id, { shortCallsMax: null, numbersPerRangeMax: null });
    const key = await createKey(tx, ids, { workspaceId: workspace.id, name: "demo", createdAtMs: nowMs });
    const number = await addNumber(
      tx,
      { ids, secrets },
      {
        ...{ workspaceId: workspace.id, e164: demoNumber, country: "ke", provisionedAtMs: nowMs },
        voiceCallbackUrl,
      },
    );
    if (!number)
      throw new Error(
        `${demoNumber} is taken, yet DATA_DIR/demo.json is gone. Remove DATA_DIR to begin anew.`,
      );
    await createWallet({ ledger: createLedger({ ids }) }).credit(tx, {
      workspaceId: workspace.id,
      amountMinor: demoCreditMinor,
      reference: `demo ${workspace.id}`,
      description: "Demo credit",
      kind: "promotion",
      createdAtMs: nowMs,
    });
    return {
      api_key: key.key,
      workspace_id: workspace.id,
      number: demoNumber,
      voice_signing_secret: number.voiceSigningSecret,
    };
  });
}
