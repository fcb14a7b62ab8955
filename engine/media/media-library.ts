import type { Clock } from "../clock.ts";
import { EgressError } from "../egress/egress-error.ts";
import type { Egress, EgressResponse } from "../egress/egress.ts";
import type { MediaId, WorkspaceId } from "../ids.ts";
import type { Log } from "../log.ts";
import { Converter } from "./converter.ts";
import { Lanes } from "./lanes.ts";
import { MediaError } from "./media-error.ts";
import { MediaFiles, type PlayableFile } from "./media-files.ts";
import type { MediaSource, Prepared } from "./media-source.ts";
import { sha256Of } from "./sha256.ts";
import type { StoredPrompts } from "./stored-prompts.ts";
import { Speaker } from "./speech/speaker.ts";
import type { SpeechEngine } from "./speech/speech-engine.ts";

export interface MediaLibraryParts {
  egress: Egress;
  /** What customers have uploaded: taken from the storage, never fetched from ourselves. */
  prompts: Pick<StoredPrompts, "urls" | "get" | "read">;
  /** Names of the files that live calls may hear again, as they stand in the store. */
  inUse: () => Promise<ReadonlySet<string>>;
  /** Closed by who made it, after the library. */
  speech: SpeechEngine;
  clock: Clock;
  log: Log;
  /** Files that may go at any time; the switch reads them, so it must see this path. */
  directory: string;
  bytesMax?: number;
}

const sourceBytesMax = 10 * 1024 * 1024;
const fetchTimeoutMs = 10_000;
/** With the fetch and its conversion, about as long as the document waits (engine/actions/prompts.ts). */
const fetchWaitMsMax = 8_000;
/** Files in memory, from the first byte until they are converted: of one workspace, and in all. */
const fetchedAtOnceMax = 4;
const fetchedInAllMax = 32;
/** Of our own storage, which is quick: no server of a customer's holds them up. */
const readAtOnceMax = 2;
const readInAllMax = 8;
const audioSecondsMax = 3600;
const speechSecondsMax = 300;
const bytesMaxDefault = 1024 ** 3;
/** How long a file is played without asking again, where its server does not say; and the most that it may say. */
const freshSecondsDefault = 60;
const freshSecondsMax = 3600;
/** URLs whose validators are remembered; forgetting one costs a download. */
const urlsMax = 10_000;

/** What a URL last gave. */
interface Known {
  sha256: string;
  etag: string | undefined;
  lastModified: string | undefined;
  /** Monotonic. */
  freshUntilMs: number;
}

/** The file that a URL last gave, which is still there. */
interface Kept {
  known: Known;
  file: PlayableFile;
}

/** What customers have played and said, as files that the switch can play: it never fetches a customer's URL itself. */
export class MediaLibrary {
  readonly #parts: MediaLibraryParts;
  readonly #files: MediaFiles;
  readonly #converter: Converter;
  /** A thread of its own: an hour of somebody's music holds up nobody's one-time password. */
  readonly #speechConverter: Converter;
  readonly #fetching = new Lanes({ atOnceMax: fetchedAtOnceMax, inAllMax: fetchedInAllMax });
  readonly #reading = new Lanes({ atOnceMax: readAtOnceMax, inAllMax: readInAllMax });
  readonly #converting = new Lanes({ atOnceMax: 1 });
  readonly #speaker: Speaker;
  /** The longest unused first. */
  readonly #known = new Map<string, Known>();
  readonly #preparing = new Map<string, Promise<PlayableFile>>();
  readonly #closing = new AbortController();

  constructor(parts: MediaLibraryParts) {
    const { clock, log, speech, inUse, directory, bytesMax = bytesMaxDefault } = parts;
    this.#parts = parts;
    this.#files = new MediaFiles({ directory, bytesMax, clock, inUse });
    this.#converter = new Converter({ clock, secondsMax: audioSecondsMax });
    this.#speechConverter = new Converter({ clock, secondsMax: speechSecondsMax });
    const converter = this.#speechConverter;
    this.#speaker = new Speaker({ engine: speech, files: this.#files, converter, clock, log });
  }

  /**
   * A WAV of 8 kHz, mono, 16 bits, of what a prompt is made of: for a text that cannot be spoken, tones. An uploaded
   * prompt is found where it is that workspace's, and nowhere else. Throws MediaError.
   */
  prepare(source: MediaSource, workspace: WorkspaceId): Promise<Prepared> {
    if (!("url" in source)) return this.#speaker.speak(source, workspace);
    const uploaded = this.#parts.prompts.urls.idIn(source.url);
    if (uploaded === null)
      return this.#once(`${workspace} ${source.url}`, () => this.#refreshed(source.url, workspace));
    return this.#once(`${workspace} ${uploaded}`, () => this.#uploaded(workspace, uploaded));
  }

  /** Puts in place what is heard where speech fails, while there is room for it. */
  async makeFallback(): Promise<void> {
    await this.#speaker.makeTones();
  }

  /** Asked for the same at once by a workspace, it is prepared once; nobody waits in another's line. */
  #once(name: string, prepare: () => Promise<PlayableFile>): Promise<PlayableFile> {
    let preparing = this.#preparing.get(name);
    if (!preparing) {
      preparing = this.#orMediaError(prepare).finally(() => this.#preparing.delete(name));
      this.#preparing.set(name, preparing);
    }
    return preparing;
  }

  /** Gives up what is being fetched, spoken and converted. */
  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all([this.#converter.close(), this.#speechConverter.close(), this.#speaker.close()]);
    await Promise.allSettled(this.#preparing.values());
  }

  async #orMediaError(prepare: () => Promise<PlayableFile>): Promise<PlayableFile> {
    try {
      return await prepare();
    } catch (cause) {
      if (cause instanceof MediaError) throw cause;
      this.#parts.log.error({ err: cause }, "media could not be kept");
      throw new MediaError("failed", "The audio could not be kept.", { cause });
    }
  }

  async #uploaded(workspace: WorkspaceId, id: MediaId | "unknown"): Promise<PlayableFile> {
    const { prompts } = this.#parts;
    const row = id === "unknown" ? undefined : await prompts.get(workspace, id);
    if (!row) throw new MediaError("media_not_found", "The workspace has no such prompt.");
    const kept = await this.#files.use(row.sha256);
    if (kept) return kept;
    return this.#reading.run(workspace, async () =>
      this.#convert(row.sha256, await prompts.read(row), workspace),
    );
  }

  /** Of a WAV or MP3 (by content, ≤ 10 MiB, ≤ 1 h). */
  async #refreshed(url: string, workspace: WorkspaceId): Promise<PlayableFile> {
    const known = this.#known.get(url);
    const file = known ? await this.#files.use(known.sha256) : null;
    const kept = known && file ? { known, file } : null;
    const askedMs = this.#parts.clock.monotonicMs();
    if (kept && askedMs < kept.known.freshUntilMs) return kept.file;
    try {
      return await this.#fetching.run(workspace, () => {
        if (this.#parts.clock.monotonicMs() - askedMs > fetchWaitMsMax)
          throw new MediaError("busy", "The fetches of the workspace before this one took too long.");
        return this.#fetched(url, workspace, kept);
      });
    } catch (error) {
      // What played a minute ago is better than dead air; what may not be asked for is not.
      const isForNow = error instanceof OriginDown || (error instanceof MediaError && error.code === "busy");
      if (!kept || !isForNow) throw error;
      this.#parts.log.warn({}, "media played from the cache, since it could not be asked for anew");
      return kept.file;
    }
  }

  async #fetched(url: string, workspace: WorkspaceId, kept: Kept | null): Promise<PlayableFile> {
    const answer = await this.#fetch(url, kept?.known);
    if (answer.status === 304 && kept) {
      this.#remember(url, kept.known.sha256, answer, kept.known);
      return kept.file;
    }
    const sha256 = await sha256Of(answer.body);
    const file = (await this.#files.use(sha256)) ?? (await this.#convert(sha256, answer.body, workspace));
    this.#remember(url, sha256, answer);
    return file;
  }

  #convert(sha256: string, source: Uint8Array, workspace: WorkspaceId): Promise<PlayableFile> {
    return this.#files.add(sha256, (temporary) =>
      this.#converting.run(workspace, () => this.#converter.convert(source, temporary)),
    );
  }

  async #fetch(url: string, known: Known | undefined): Promise<EgressResponse> {
    const headers: Record<string, string> = {
      Accept: "audio/wav, audio/mpeg, audio/*;q=0.9, */*;q=0.1",
      "User-Agent": "Sautikit-Media/1",
      ...(known?.etag !== undefined && { "If-None-Match": known.etag }),
      ...(known?.lastModified !== undefined && { "If-Modified-Since": known.lastModified }),
    };
    let answer: EgressResponse;
    try {
      answer = await this.#parts.egress.request({
        method: "GET",
        url,
        headers,
        timeoutMs: fetchTimeoutMs,
        maxBytes: sourceBytesMax,
        signal: this.#closing.signal,
      });
    } catch (cause) {
      if (!(cause instanceof EgressError)) throw cause;
      const message = `The audio could not be fetched (${cause.fault}): ${cause.message}`;
      const Fault = cause.fault === "blocked" ? MediaError : OriginDown;
      throw new Fault("fetch_failed", message, { cause, origin: { status: null, fault: cause.fault } });
    }
    const { status } = answer;
    if (status !== 200 && !(status === 304 && known)) {
      const Fault = status >= 500 ? OriginDown : MediaError;
      const origin = { status, fault: null };
      throw new Fault("fetch_failed", `The audio's server answered ${status}.`, { origin });
    }
    if (answer.truncated)
      throw new MediaError("too_large", `The audio is larger than ${sourceBytesMax} bytes.`);
    return answer;
  }

  #remember(url: string, sha256: string, { headers }: EgressResponse, before?: Known): void {
    this.#known.delete(url);
    this.#known.set(url, {
      sha256,
      etag: headers.etag ?? before?.etag,
      lastModified: headers["last-modified"] ?? before?.lastModified,
      freshUntilMs: this.#parts.clock.monotonicMs() + freshSeconds(headers["cache-control"]) * 1000,
    });
    const [oldest] = this.#known.keys();
    if (this.#known.size > urlsMax && oldest !== undefined) this.#known.delete(oldest);
  }
}

/** Its server fails, for now: 5xx, or no answer. */
class OriginDown extends MediaError {}

/** RFC 9111 §5.2.2, as far as it matters here. */
function freshSeconds(cacheControl: string | undefined): number {
  if (cacheControl === undefined) return freshSecondsDefault;
  if (/\bno-(store|cache)\b/i.test(cacheControl)) return 0;
  const maxAge = /\bmax-age="?(\d{1,9})/i.exec(cacheControl)?.[1];
  return maxAge === undefined ? freshSecondsDefault : Math.min(Number(maxAge), freshSecondsMax);
}
