import { Worker } from "node:worker_threads";
import type { EspeakReply } from "./espeak-thread.ts";

/**
 * The program of the process that speaks. eSpeak NG is GPL-3.0: it is loaded here and nowhere else, never into the
 * process of the product. It renders in a thread, so that this one hears at once that the parent is gone, however the
 * parent ended and whatever the thread is at.
 */
const thread = new Worker(new URL("./espeak-thread.ts", import.meta.url), { stdout: true, stderr: true });

process.on("message", (order) => thread.postMessage(order));
process.on("disconnect", () => process.exit());
thread.on("message", (reply: EspeakReply) => process.send?.(reply));
thread.on("error", (error: Error & { code?: string }) => {
  const reply: EspeakReply = { ok: false, code: "failed", why: error.code ?? error.name };
  process.send?.(reply, () => process.exit(1));
});
