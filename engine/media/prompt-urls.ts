import { isId, type MediaId } from "../ids.ts";

/** The URLs of uploaded prompts, as they stand in a document's `play.url`. */
export interface PromptUrls {
  of(id: MediaId): string;
  /** Null: a URL of somebody else's, to be fetched; `unknown`: one of ours that leads to no prompt. */
  idIn(url: string): MediaId | "unknown" | null;
}

/** `publicUrl`: where customers reach the API, without a slash at the end. Told apart from others by exact prefix. */
export function createPromptUrls(publicUrl: () => string): PromptUrls {
  const prefix = () => `${publicUrl()}/v1/media/`;
  return {
    of: (id) => `${prefix()}${id}/file`,
    idIn(url) {
      // As the prefix would be connected to: a scheme in capitals, a dot in the path, or a default port change nothing.
      const [ours, theirs] = [URL.parse(prefix())?.href, URL.parse(url)?.href];
      if (ours === undefined || !theirs?.startsWith(ours)) return null;
      const [id = "", ...rest] = theirs.slice(ours.length).split("/");
      return isId("med", id) && rest.length === 1 && rest[0] === "file" ? id : "unknown";
    },
  };
}
