import type { Evidence } from "./evidence.ts";

/** What a workspace is said to store is what it has in the bucket. */
export function checkStorage({ books, objects }: Evidence): string[] {
  const stored = new Map<string, bigint>();
  for (const { workspace_id, call_id, id, status } of books.recordings) {
    if (status !== "ready") continue;
    const object = objects.get(`${workspace_id}/${call_id}/${id}.wav`);
    stored.set(workspace_id, (stored.get(workspace_id) ?? 0n) + BigInt(object?.sizeBytes ?? 0));
  }
  const meters = new Map(books.meters.map(({ workspace_id, used_bytes }) => [workspace_id, used_bytes]));
  return [...new Set([...stored.keys(), ...meters.keys()])].flatMap((workspace) => {
    const [said = 0n, is = 0n] = [meters.get(workspace), stored.get(workspace)];
    return said === is ? [] : [`${workspace} is said to store ${said} bytes, and stores ${is}`];
  });
}
