import type { Reply } from "./route.ts";

/** The first chunk is made before the answer begins, so that what fails then is still told as an error. */
export async function csvReply(fileName: string, chunks: AsyncGenerator<string>): Promise<Reply> {
  const first = await chunks.next();
  return {
    status: 200,
    headers: {
      "Content-Type": "text/csv; charset=utf-8; header=present",
      "Content-Disposition": `attachment; filename="${fileName}"`,
    },
    chunks: first.done ? none() : after(first.value, chunks),
  };
}

async function* after(first: string, rest: AsyncGenerator<string>): AsyncGenerator<string> {
  yield first;
  yield* rest;
}

// eslint-disable-next-line @typescript-eslint/require-await -- an iterable of its kind
async function* none(): AsyncGenerator<string> {
  yield "";
}
