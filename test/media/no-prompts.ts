import type { MediaLibrary, MediaLibraryParts } from "../../engine/media/media-library.ts";
import type { MediaSource } from "../../engine/media/media-source.ts";
import { createPromptUrls } from "../../engine/media/prompt-urls.ts";

/** For a library that is asked for nothing uploaded. */
export const noPrompts: MediaLibraryParts["prompts"] = {
  urls: createPromptUrls(() => "http://127.0.0.1:9"),
  get: () => Promise.resolve(undefined),
  read: () => Promise.reject(new Error("There are no prompts here.")),
};

/** No call hears anything. */
export const nobody = () => Promise.resolve(new Set<string>());

/** The library as one workspace's calls ask it. */
export const asked = (library: MediaLibrary) => ({
  prepare: (source: MediaSource) => library.prepare(source, "ws_01j00000000000000000000001"),
  makeFallback: () => library.makeFallback(),
  close: () => library.close(),
});
