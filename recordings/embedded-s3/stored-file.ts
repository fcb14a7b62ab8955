import { type FileHandle, open } from "node:fs/promises";

/** The last bytes of every stored file: the record's length, and these four. */
const magic = Buffer.from("SKO1");
const footerBytes = 4 + magic.length;

/** An open stored file. What was opened stays readable, whatever replaces or deletes it meanwhile. */
export interface StoredFile<Facts> {
  handle: FileHandle;
  /** Bytes of data, at the start of the file. */
  size: number;
  facts: Facts;
}

/**
 * Data and the facts about it share a file, the facts last: so a single rename publishes both, and there is no
 * moment at which one is new and the other old. The file is on the disk when this resolves.
 */
export async function writeStoredFile<Facts>(
  path: string,
  bytes: AsyncIterable<Buffer>,
  factsAtEnd: () => Facts,
): Promise<Facts> {
  const handle = await open(path, "wx", 0o600);
  try {
    await handle.writeFile(bytes);
    const facts = factsAtEnd();
    const record = Buffer.from(JSON.stringify(facts));
    const length = Buffer.alloc(4);
    length.writeUInt32BE(record.length);
    await handle.writeFile(Buffer.concat([record, length, magic]));
    await handle.sync();
    return facts;
  } finally {
    await handle.close();
  }
}

/** The caller closes `handle`. Throws ENOENT when there is no such file. */
export async function openStoredFile<Facts>(path: string): Promise<StoredFile<Facts>> {
  const handle = await open(path, "r");
  try {
    const { size: fileSize } = await handle.stat();
    const footer = await readExactly(handle, fileSize - footerBytes, footerBytes);
    if (!footer.subarray(4).equals(magic)) throw new Error(`Not a stored file: ${path}`);
    const size = fileSize - footerBytes - footer.readUInt32BE();
    const record = await readExactly(handle, size, footer.readUInt32BE());
    return { handle, size, facts: JSON.parse(record.toString()) as Facts };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

export async function readFacts<Facts>(path: string): Promise<Facts> {
  const { handle, facts } = await openStoredFile<Facts>(path);
  await handle.close();
  return facts;
}

/** Bytes `start` to `end`, both included. */
export async function* readBytes(
  file: StoredFile<unknown>,
  start = 0,
  end = file.size - 1,
): AsyncGenerator<Buffer> {
  if (end < start) return;
  yield* file.handle.createReadStream({ start, end, autoClose: false }) as AsyncIterable<Buffer>;
}

async function readExactly(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  if (position < 0) throw new Error("A stored file is shorter than its own record.");
  const { bytesRead, buffer } = await handle.read(Buffer.alloc(length), 0, length, position);
  if (bytesRead !== length) throw new Error("A stored file ended before its record.");
  return buffer;
}
