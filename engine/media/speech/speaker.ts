import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import type { Clock } from "../../clock.ts";
import type { WorkspaceId } from "../../ids.ts";
import type { Log } from "../../log.ts";
import type { Converter } from "../converter.ts";
import { Lanes } from "../lanes.ts";
import { MediaError } from "../media-error.ts";
import type { MediaFiles, PlayableFile } from "../media-files.ts";
import type { Prepared, SpeechSource } from "../media-source.ts";
import { fallbackTones } from "./fallback-tones.ts";
import { SpeechError, type SpeechEngine } from "./speech-engine.ts";

export interface SpeakerParts {
  engine: SpeechEngine;
  files: MediaFiles;
  converter: Converter;
  clock: Clock;
  log: Log;
}

/** With the waiting, and well before the document gives the prompt up (engine/actions/prompts.ts), which would be silence. */
const speechMsMax = 14_000;
/** Of one workspace: others' turns come in between. */
const renderedAtOnceMax = 2;
/** −40 dBFS: an engine that gives no more than this has said nothing. */
const audiblePeakMin = 0.01;

/** Texts as files that the switch can play: each rendered once and kept, and three tones for what cannot be rendered. */
export class Speaker {
  readonly #parts: SpeakerParts;
  readonly #rendering = new Lanes({ atOnceMax: renderedAtOnceMax });
  readonly #tones = fallbackTones();
  readonly #tonesName: string;
  /** By workspace and name; asked for the same at once, it renders once. */
  readonly #speaking = new Map<string, Promise<PlayableFile>>();
  readonly #closing = new AbortController();

  constructor(parts: SpeakerParts) {
    this.#parts = parts;
    this.#tonesName = createHash("sha256").update(this.#tones).digest("hex");
  }

  /** Puts the tones in place, while there is room for them. */
  makeTones(): Promise<PlayableFile> {
    const { files } = this.#parts;
    const name = this.#tonesName;
    return files
      .use(name)
      .then((made) => made ?? files.add(name, (temporary) => writeFile(temporary, this.#tones)));
  }

  /** Throws MediaError where not even the tones can be kept, and when it is closed. */
  async speak(source: SpeechSource, workspace: WorkspaceId): Promise<Prepared> {
    const { engine, log } = this.#parts;
    const tones = await this.makeTones().catch((cause: unknown) => {
      log.error({ err: cause }, "the tones that stand in for speech could not be kept");
      throw new MediaError("failed", "The tones could not be kept.", { cause });
    });
    try {
      return await this.#spoken({ ...source, text: plain(source.text) }, workspace);
    } catch (error) {
      if (this.#closing.signal.aborted) throw new MediaError("failed", "The media library is closed.");
      const reason = error instanceof SpeechError || error instanceof MediaError ? error.code : "failed";
      const { language, voice } = source;
      log.warn(
        { err: error, reason, engine: engine.name, language, voice },
        "a text could not be spoken: the caller hears three tones",
      );
      return { ...tones, insteadOf: reason };
    }
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.allSettled(this.#speaking.values());
  }

  #spoken(source: SpeechSource, workspace: WorkspaceId): Promise<PlayableFile> {
    const name = this.#nameOf(source);
    // Nobody waits in another's line, though it be for the same.
    const asked = `${workspace} ${name}`;
    let speaking = this.#speaking.get(asked);
    if (!speaking) {
      speaking = this.#inTime((signal) => this.#keptOrRendered(name, source, { workspace, signal }));
      speaking = speaking.finally(() => this.#speaking.delete(asked));
      this.#speaking.set(asked, speaking);
    }
    return speaking;
  }

  #nameOf({ language, voice, text }: SpeechSource): string {
    const { name, version } = this.#parts.engine;
    const made = JSON.stringify(["speech", name, version, language.toLowerCase(), voice, text]);
    return createHash("sha256").update(made).digest("hex");
  }

  async #keptOrRendered(
    name: string,
    source: SpeechSource,
    { workspace, signal }: { workspace: WorkspaceId; signal: AbortSignal },
  ): Promise<PlayableFile> {
    const { engine, files, converter } = this.#parts;
    const kept = await files.use(name);
    if (kept) return kept;
    const audio = await this.#rendering.run(workspace, () => engine.render(source, signal));
    return files.add(name, async (temporary) => {
      const { peak } = await converter.convert(audio, temporary);
      if (peak < audiblePeakMin) throw new SpeechError("silent", "There is nothing to be heard of the text.");
    });
  }

  /** What comes too late for this caller is kept for the next. */
  async #inTime<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const late = new AbortController();
    const timer = this.#parts.clock.after(speechMsMax, () => late.abort());
    const signal = AbortSignal.any([late.signal, this.#closing.signal]);
    const givenUp = Promise.withResolvers<never>();
    const giveUp = () =>
      givenUp.reject(new SpeechError("timed_out", `The text was not ready within ${speechMsMax} ms.`));
    signal.addEventListener("abort", giveUp);
    try {
      return await Promise.race([work(signal), givenUp.promise]);
    } finally {
      timer.cancel();
      // A signal that somebody listens to is kept for as long as one that it follows, here the library's own.
      signal.removeEventListener("abort", giveUp);
    }
  }
}

/** Engines take commands by control characters, and none wants half a character; a new line is a pause. */
const plain = (text: string): string => text.toWellFormed().replaceAll(/[^\P{Cc}\n]/gu, " ");
