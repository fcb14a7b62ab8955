import type { Evidence } from "./evidence.ts";

/** What is said to be mailed was, nothing else was, and what is not is still to be tried. */
export function checkMails({ books, mailed, heard }: Evidence): string[] {
  const rows = new Set(books.mails.map(({ id }) => id));
  return [
    ...books.mails.flatMap(({ id, once_key, status, next_attempt_at_ms }) => {
      if (status === "sent")
        return mailed.has(id) ? [] : [`${id} (${once_key}) is said to be sent, and nobody has it`];
      if (status === "pending" && next_attempt_at_ms !== null) return [];
      return [`${id} (${once_key}) is ${status}, and is not tried again`];
    }),
    ...[...mailed].filter((id) => !rows.has(id)).map((id) => `${id} was sent, and is no mail of the books`),
    ...checkLowBalances(books, heard),
  ];
}

/** Who is mailed of a low balance is told of it as well, each time. */
function checkLowBalances(books: Evidence["books"], heard: Evidence["heard"]): string[] {
  const mails = books.mails.filter(({ once_key }) => once_key.startsWith("low balance ")).length;
  const told = new Set(heard.filter(({ kind }) => kind === "wallet.low_balance").map(({ id }) => id)).size;
  return mails > told ? [`${mails} mails of a low balance, and ${told} events of one`] : [];
}
