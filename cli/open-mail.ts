import { join } from "node:path";
import { folderTransport, smtpTransport, type MailTransport } from "../engine/mail/mail-transport.ts";
import type { Config } from "./config.ts";

/** The mail server of the configuration, or the folder that stands in for it. */
export function openMail({ mail: { url, from }, dataDir }: Pick<Config, "mail" | "dataDir">): MailTransport {
  if (url === null) return folderTransport({ directory: join(dataDir, "mail"), from });
  return smtpTransport({ url, from });
}
