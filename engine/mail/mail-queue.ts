import type { Clock } from "../clock.ts";
import type { Ids, WorkspaceId } from "../ids.ts";
import { insertMail } from "../store/mails.ts";
import type { Tx } from "../store/store.ts";

export interface Mail {
  /** What it is about, once for ever: `low balance txn_…`. Each recipient gets it once. */
  key: string;
  workspaceId: WorkspaceId | null;
  /** Addresses, each checked when it was saved. */
  to: readonly string[];
  /** One line. */
  subject: string;
  /** Plain text, which a greeting goes before. */
  text: string;
}

/** Where mails begin: rows written in the transaction of what they tell. */
export interface MailQueue {
  /** Queues one mail for each recipient that has not had it. */
  send(tx: Tx, mail: Mail): Promise<void>;
}

/** `wake` is called after the commit: who sends has something to do. */
export function createMailQueue(parts: { ids: Ids; clock: Clock; wake: () => void }): MailQueue {
  const { ids, clock, wake } = parts;
  return {
    async send(tx, { key, workspaceId, to, subject, text }) {
      const body = `Habari,\n\n${text}`;
      for (const recipient of new Set(to)) {
        const row = { id: ids.next("mail"), onceKey: `${key} ${recipient}`, workspaceId, recipient };
        if (await insertMail(tx, { ...row, subject, body, createdAtMs: clock.nowMs() })) tx.afterCommit(wake);
      }
    },
  };
}
