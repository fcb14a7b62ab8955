import { open, type FileHandle } from "node:fs/promises";

/** What a WAV file holds, by its own length: the header of one that was never closed counts no data. */
export interface WavFile {
  /** Whole frames only. */
  dataBytes: number;
  /** ms, rounded. */
  durationMs: number;
  closed: boolean;
}

/** Reads the header. Null: no WAV, or one that was cut off before its data began. */
export async function readWav(path: string): Promise<WavFile | null> {
  const file = await open(path, "r");
  try {
    const layout = await readLayout(file);
    return layout && summary(layout);
  } finally {
    await file.close();
  }
}

/**
 * Closes the header of a file that its writer left open (a killed switch leaves a length of 0), from the length of the
 * file. Safe to be interrupted and repeated; a closed file is left untouched.
 */
export async function repairWav(path: string): Promise<WavFile | null> {
  const file = await open(path, "r+");
  try {
    const layout = await readLayout(file);
    if (!layout) return null;
    if (!layout.closed) await closeHeader(file, layout);
    return { ...summary(layout), closed: true };
  } finally {
    await file.close();
  }
}

/** Where the samples are, and what they are. */
export interface PcmLayout {
  dataOffset: number;
  dataBytes: number;
  /** Of all channels, 16 bits each. */
  frameBytes: number;
  framesPerSecond: number;
  channels: number;
}

/** Null: no WAV of 16-bit PCM. */
export async function pcmLayout(file: FileHandle): Promise<PcmLayout | null> {
  const layout = await readLayout(file);
  if (!layout) return null;
  const { tag, channels, frameBytes } = layout;
  return tag === 1 && channels > 0 && frameBytes === channels * 2 ? layout : null;
}

interface Layout {
  closed: boolean;
  fileBytes: number;
  dataOffset: number;
  dataBytes: number;
  frameBytes: number;
  framesPerSecond: number;
  /** WAVE_FORMAT_…: 1 is PCM. */
  tag: number;
  channels: number;
}

const riffHeaderBytes = 12;
const chunkHeaderBytes = 8;
/** Room for the chunks that writers put before the data; garbage would be walked to its end without it. */
const chunksMax = 32;

const summary = ({ closed, dataBytes, frameBytes, framesPerSecond }: Layout): WavFile => ({
  closed,
  dataBytes,
  durationMs: Math.round(((dataBytes / frameBytes) * 1000) / framesPerSecond),
});

async function readLayout(file: FileHandle): Promise<Layout | null> {
  const fileBytes = (await file.stat()).size;
  const riff = await read(file, 0, riffHeaderBytes);
  if (riff?.toString("latin1", 0, 4) !== "RIFF" || riff.toString("latin1", 8, 12) !== "WAVE") return null;
  let format: Awaited<ReturnType<typeof readFormat>> = null;
  let offset = riffHeaderBytes;
  for (let chunk = 0; chunk < chunksMax; chunk++) {
    const header = await read(file, offset, chunkHeaderBytes);
    if (!header) return null;
    const name = header.toString("latin1", 0, 4);
    const length = header.readUInt32LE(4);
    offset += chunkHeaderBytes;
    if (name === "fmt ") format = await readFormat(file, offset);
    if (name === "data") {
      if (!format) return null;
      const riffBytes = riff.readUInt32LE(4) + chunkHeaderBytes;
      return {
        ...format,
        ...sizes({ ...format, riffBytes, fileBytes, dataOffset: offset, declared: length }),
      };
    }
    // Chunks begin at even offsets.
    offset += length + (length % 2);
  }
  return null;
}

async function readFormat(file: FileHandle, offset: number) {
  const format = await read(file, offset, 16);
  if (!format) return null;
  const [tag, channels] = [format.readUInt16LE(0), format.readUInt16LE(2)];
  const framesPerSecond = format.readUInt32LE(4);
  const frameBytes = format.readUInt16LE(12);
  return frameBytes > 0 && framesPerSecond > 0 ? { tag, channels, frameBytes, framesPerSecond } : null;
}

/** Which of the three lengths (the data's, the file's by its header, the file's) to believe. */
function sizes(of: {
  riffBytes: number;
  fileBytes: number;
  dataOffset: number;
  declared: number;
  frameBytes: number;
}) {
  const { riffBytes, fileBytes, dataOffset, declared, frameBytes } = of;
  const present = fileBytes - dataOffset;
  const dataIsLast = dataOffset + declared >= riffBytes;
  // Cut off, or written to after its header was. A length of 0 in a file that knows its own is an empty recording.
  const open = declared > present || (dataIsLast && riffBytes !== fileBytes);
  const bytes = open ? present : declared;
  return { closed: !open, fileBytes, dataOffset, dataBytes: bytes - (bytes % frameBytes) };
}

async function closeHeader(file: FileHandle, { fileBytes, dataOffset, dataBytes }: Layout): Promise<void> {
  // The data's length first: were the file's own length right and this one still 0, it would read as empty.
  await file.write(uint32(dataBytes), 0, 4, dataOffset - 4);
  await file.datasync();
  await file.write(uint32(fileBytes - chunkHeaderBytes), 0, 4, 4);
  await file.datasync();
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

/** Null: the file ends before that. */
async function read(file: FileHandle, offset: number, length: number): Promise<Buffer | null> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, offset);
  return bytesRead === length ? buffer : null;
}
