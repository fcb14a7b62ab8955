import express, { type Request, type RequestHandler, type Response } from "express";
import { SautikitError } from "../engine/errors.ts";
import type { WorkspaceId } from "../engine/ids.ts";
import type { UploadFacts } from "./route.ts";

/** Files in memory at once, in all and of one workspace: whoever sends slowly keeps nobody else out. */
const atOnceMax = 4;
const ofWorkspaceMax = 2;
const retryAfterSeconds = 2;
/** An MP3 in it would be found, and kept with the form around it. */
const aForm = "The body is a form. Send the file itself: curl --data-binary @file, not -F.";

/** Bodies that are files: larger than any other route lets pass, so there are few at a time. */
export class Uploads {
  readonly #read: RequestHandler;
  readonly #tooLarge: UploadFacts["tooLarge"];
  readonly #notAFile: UploadFacts["notAFile"];
  readonly #running: WorkspaceId[] = [];

  constructor({ bytesMax, tooLarge, notAFile }: UploadFacts) {
    this.#read = express.raw({ type: () => true, limit: bytesMax });
    this.#tooLarge = tooLarge;
    this.#notAFile = notAFile;
  }

  /** Reads the body and has it `handled`, which finds its bytes in `request.body`. Throws `media.busy`. */
  async take(
    workspace: WorkspaceId,
    request: Request,
    response: Response,
    handled: () => Promise<void>,
  ): Promise<void> {
    if (/^multipart\//i.test(request.get("Content-Type") ?? ""))
      throw new SautikitError(this.#notAFile, aForm);
    const ofWorkspace = this.#running.filter((other) => other === workspace).length;
    if (this.#running.length >= atOnceMax || ofWorkspace >= ofWorkspaceMax)
      throw new SautikitError("media.busy", undefined, { retryAfterSeconds });
    this.#running.push(workspace);
    try {
      await this.#body(request, response);
      await handled();
    } finally {
      this.#running.splice(this.#running.indexOf(workspace), 1);
    }
  }

  #body(request: Request, response: Response): Promise<void> {
    return new Promise((resolve, reject) => {
      void this.#read(request, response, (error?: unknown) => {
        if (error === undefined) resolve();
        else if (error instanceof Error && "status" in error && error.status === 413)
          reject(new SautikitError(this.#tooLarge, undefined, { cause: error }));
        else reject(error instanceof Error ? error : new Error("The body could not be read."));
      });
    });
  }
}
