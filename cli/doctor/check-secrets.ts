import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../../engine/clock.ts";
import { systemIds } from "../../engine/ids.ts";
import { aesSecrets } from "../../engine/secrets.ts";
import { firstAndLastSealed } from "../../engine/store/numbers.ts";
import type { Config } from "../config.ts";
import { opens, secretsKeyFile } from "../secrets-key.ts";
import { broken, doubtful, sound, type Finding } from "./finding.ts";
import { fromStore } from "./from-store.ts";

/** Whether our key opens what others have sealed. */
export async function checkSecrets(config: Config, clock: Clock): Promise<Finding> {
  const { secretsKey, dataDir, database } = config;
  const where = secretsKey === "" ? "DATA_DIR" : "SECRETS_KEY";
  const hex = secretsKey || (await readFile(join(dataDir, secretsKeyFile), "utf8").catch(() => "")).trim();
  return fromStore(config, clock, async (store) => {
    const sealed = await store.read(firstAndLastSealed);
    if (hex === "" && sealed.length === 0) return sound("one is made at the first start, in DATA_DIR");
    const secrets = hex === "" ? null : aesSecrets(Buffer.from(hex, "hex"), systemIds(clock));
    if (!sealed.every((text) => secrets !== null && opens(secrets, text)))
      return broken(
        secrets === null
          ? "there is none, and what is sealed in the database needs it"
          : `that of ${where} does not open what is sealed in the database`,
        "Give every process on it the one SECRETS_KEY that it was sealed with (docs/backup.md).",
      );
    return database.kind === "postgres" && secretsKey === ""
      ? doubtful(
          "that of DATA_DIR, which no other process on this database has",
          "Set SECRETS_KEY, the same for all (docs/many.md).",
        )
      : sound(`that of ${where}`);
  });
}
