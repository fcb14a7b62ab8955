import { parseArgs } from "node:util";
import { runStandInProcess } from "../engine/simulator/daraja/process.ts";
import { readConfig } from "./config.ts";

/** `sautikit simulator daraja`: the stand-in as a process; what it takes for right comes from DARAJA_…. */
export async function runDaraja(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      port: { type: "string", default: "0" },
      "exit-with-parent": { type: "boolean", default: false },
    },
  });
  const port = Number(values.port);
  if (!/^\d+$/.test(values.port) || port > 65_535) throw new Error("--port takes a port, 0 to 65535");
  // Whose Daraja it is to stand in for, and beside which switch, does not matter to it.
  const { daraja } = readConfig({ ...process.env, DARAJA_URL: "", FREESWITCH_URLS: "" });
  if (!daraja) throw new Error("There are no settings of Daraja's.");
  const { consumerKey, consumerSecret, shortcode, passkey } = daraja;
  const settings = { consumerKey, consumerSecret, shortcode, passkey };
  await runStandInProcess({ settings, port, exitWithParent: values["exit-with-parent"] });
}
