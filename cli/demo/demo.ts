import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { systemClock } from "../../engine/clock.ts";
import { compose, roles } from "../compose.ts";
import { readConfig } from "../config.ts";
import { readDemo, type Demo } from "../demo-workspace.ts";
import { UsageError } from "../usage.ts";
import { CarrierClient } from "./carrier-client.ts";
import { Client } from "./client.ts";
import { menuAnswer, showMenu } from "./menu.ts";
import { demoPrompt } from "./prompt.ts";
import { Screen } from "./screen.ts";
import { showTwoParties } from "./two-parties.ts";
import { startWebhookReceiver, type ReceivedEvent } from "./webhook-receiver.ts";

/**
 * `sautikit demo`: a call out and a call in, from end to end, on free ports and in a temporary folder; throws where
 * anything is not so. Beside a real FreeSWITCH the people are those of the carrier whose page `--carrier` names.
 */
export async function demo(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: { keep: { type: "boolean", default: false }, carrier: { type: "string" } },
  });
  const dataDir = await mkdtemp(join(tmpdir(), "sautikit-demo-"));
  try {
    await show(dataDir, values);
  } finally {
    await rm(dataDir, { recursive: true, force: true });
  }
}

async function show(dataDir: string, values: { keep: boolean; carrier?: string | undefined }): Promise<void> {
  const config = readConfig({
    LOG_LEVEL: "warn",
    // Its own webhook receiver is on loopback, on a real switch too.
    ALLOW_PRIVATE_URLS: "yes",
    S3_PORT: "0",
    ...process.env,
    PORT: "0",
    DATA_DIR: dataDir,
  });
  if (config.boxes.length > 0 && values.carrier === undefined)
    throw new UsageError("Beside a real FreeSWITCH: demo --carrier <status URL of the simulated carrier>.");
  const screen = new Screen(process.stdout, systemClock);
  const [first] = config.boxes;
  const box = first ? `the FreeSWITCH at ${first.box}` : "a simulated switch and carrier";
  screen.say("start", `starting the API, the controller, object storage, with ${box} …`);
  let account: Demo | null = null;
  const received: ReceivedEvent[] = [];
  const endpoint = await startWebhookReceiver({
    secret: () => account?.voice_signing_secret ?? "",
    prompt: demoPrompt(),
    answer: menuAnswer,
    received: (event) => {
      received.push(event);
      screen.say(
        "webhook",
        `${event.kind} #${String(event.data["sequence"])}, signatures ${event.verified ? "verified" : "WRONG"}`,
      );
    },
  });
  const demoVoiceUrl = `${endpoint.url}/voice`;
  const app = await compose(config, new Set(roles), { demoWorkspace: true, demoVoiceUrl }).catch(
    async (error: unknown) => {
      await endpoint.close();
      throw error;
    },
  );
  try {
    account = await readDemo(join(dataDir, "demo.json"));
    const carrierUrl = values.carrier ?? account?.carrier_status;
    if (!account || !carrierUrl) throw new Error("There is no demo workspace.");
    const client = new Client(account.base_url, account.api_key);
    const stage = { client, account, screen, endpointUrl: endpoint.url, received };
    await showTwoParties(stage);
    await showMenu(stage, new CarrierClient(carrierUrl));
    screen.say("done", "everything held");
    if (values.keep) await keep(account, carrierUrl, screen);
  } finally {
    await app.stop();
    await endpoint.close();
  }
}

async function keep(account: Demo, carrierUrl: string, screen: Screen): Promise<void> {
  const body = JSON.stringify({ from: account.number, to: "+254712345678" });
  const caller = JSON.stringify({ from: "+254722000002", to: account.number });
  screen.say("running", "until Ctrl-C; call somebody, or have somebody call in (they hear the menu); try:");
  process.stdout.write(
    `\ncurl -X POST ${account.base_url}/v1/calls -H "Authorization: Bearer ${account.api_key}" -H "Content-Type: application/json" -d '${body}'\n` +
      `\ncurl -X POST ${carrierUrl}/calls -d '${caller}'\n\n`,
  );
  const idle = setInterval(() => undefined, 2 ** 30);
  await new Promise<void>((resolve) => {
    process.once("SIGINT", () => resolve());
    process.once("SIGTERM", () => resolve());
  });
  clearInterval(idle);
}
