/** The parts of the npm package (0.3.5, untyped) that we use. */
declare module "@echogarden/espeak-ng-emscripten" {
  export interface EspeakVoice {
    /** 0, or an error: then the voice stays as it was. */
    set_voice(name: string): number;
    /** Words a minute. */
    set_rate(wordsPerMinute: number): void;
    get_samplerate(): number;
    /** Synchronous; a piece at a time, null at the end. Returning true ends it. */
    synthesize(ssml: string, onPiece: (piece: Int16Array | null) => boolean): void;
  }
  export default function createEspeak(): Promise<{ eSpeakNGWorker: new () => EspeakVoice }>;
}
