import { mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { createTransport } from "nodemailer";

export interface OutgoingMail {
  /** Of ours: makes the Message-ID (RFC 5322 §3.6.4), the same at every try, by which a mail box knows a second copy. */
  id: string;
  to: string;
  subject: string;
  text: string;
}

/** The way out for mails. */
export interface MailTransport {
  /** Resolves once somebody else has the mail. Throws MailError. */
  send(mail: OutgoingMail): Promise<void>;
  /** Throws where nothing could be sent now. */
  check(): Promise<void>;
  close(): void;
}

export class MailError extends Error {
  /** Trying again is of no use: the server refused it for good (RFC 5321 §4.2.1, 5yz). */
  readonly final: boolean;

  constructor(message: string, options: { final: boolean; cause?: unknown }) {
    super(message, options);
    this.final = options.final;
  }
}

const connectMs = 10_000;
const silenceMs = 30_000;
/** Nothing in a mail names a file or an address that we would read. */
const closed = { disableFileAccess: true, disableUrlAccess: true } as const;

/** `url`: smtp://user:password@host:587 (STARTTLS where it is offered) or smtps://…:465. `from`: an address, maybe with a name. */
export function smtpTransport({ url, from }: { url: string; from: string }): MailTransport {
  const limits = { connectionTimeout: connectMs, greetingTimeout: connectMs, dnsTimeout: connectMs };
  const transport = createTransport({ url, ...limits, socketTimeout: silenceMs, ...closed });
  return {
    async send(mail) {
      try {
        await transport.sendMail({ ...message(mail, from), ...closed });
      } catch (error) {
        throw asMailError(error);
      }
    },
    async check() {
      await transport.verify();
    },
    close: () => transport.close(),
  };
}

/**
 * Without a mail server: each mail is a file of `directory`, for its owner alone, as a server would have got it; and beside it one
 * of its plain text, from which a link can be copied, as the other may break it over lines.
 */
export function folderTransport({ directory, from }: { directory: string; from: string }): MailTransport {
  const transport = createTransport({ streamTransport: true, buffer: true, newline: "unix", ...closed });
  return {
    async send(mail) {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      const { message: content } = await transport.sendMail({ ...message(mail, from), ...closed });
      await put(
        join(directory, `${mail.id}.txt`),
        `To: ${mail.to}\nSubject: ${mail.subject}\n\n${mail.text}`,
      );
      await put(join(directory, `${mail.id}.eml`), content);
    },
    async check() {
      await mkdir(directory, { recursive: true, mode: 0o700 });
    },
    close: () => transport.close(),
  };
}

/** All of it, or nothing. */
async function put(file: string, content: string | Buffer | Readable): Promise<void> {
  await writeFile(`${file}.new`, content, { mode: 0o600 });
  await rename(`${file}.new`, file);
}

function message({ id, to, subject, text }: OutgoingMail, from: string) {
  const domain = /@([^\s<>@]+)>?$/.exec(from)?.[1] ?? "localhost";
  const headers = { "Auto-Submitted": "auto-generated" };
  return { from, to: { name: "", address: to }, subject, text, messageId: `<${id}@${domain}>`, headers };
}

/** A refusal of this mail or its recipient is final; one of us (a password, 535) is the operator's to mend. */
function asMailError(error: unknown): MailError {
  const {
    message: text = String(error),
    responseCode = 0,
    code,
  } = error as {
    message?: string;
    responseCode?: number;
    code?: string;
  };
  const ofTheMail = code === "EENVELOPE" || code === "EMESSAGE";
  return new MailError(text, { final: ofTheMail && responseCode >= 500, cause: error });
}
