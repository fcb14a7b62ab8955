/** A prompt to play: three notes, 16-bit mono at 16 kHz, as a WAV file. */
export function demoPrompt(): Buffer {
  const rateHz = 16_000;
  const notes = [523, 659, 784];
  const noteSamples = rateHz * 0.4;
  const samples = Int16Array.from({ length: noteSamples * notes.length }, (_, at) => {
    const hz = notes[Math.floor(at / noteSamples)] ?? 0;
    return Math.round(6000 * Math.sin((2 * Math.PI * hz * at) / rateHz));
  });
  const header = Buffer.alloc(44);
  header.write("RIFF", 0);
  header.writeUInt32LE(36 + samples.byteLength, 4);
  header.write("WAVEfmt ", 8);
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20);
  header.writeUInt16LE(1, 22);
  header.writeUInt32LE(rateHz, 24);
  header.writeUInt32LE(rateHz * 2, 28);
  header.writeUInt16LE(2, 32);
  header.writeUInt16LE(16, 34);
  header.write("data", 36);
  header.writeUInt32LE(samples.byteLength, 40);
  return Buffer.concat([header, Buffer.from(samples.buffer)]);
}
