import { levelDbfs } from "../../engine/simulator/media/goertzel.ts";
import type { SipCall } from "../../engine/simulator/sip/call.ts";
import { audibleDbfs, silentDbfs } from "./world.ts";

/** Resolves once half a second of what the party hears has that tone, and not another. */
export const hears = (call: SipCall, hz: number) =>
  new Promise<void>((resolve) => {
    let frames: Int16Array[] = [];
    call.media!.onFrame((pcm) => {
      frames.push(Int16Array.from(pcm));
      if (frames.length < 25) return;
      const heard = Int16Array.from(frames.flatMap((frame) => [...frame]));
      if (levelDbfs(heard, hz) > audibleDbfs && levelDbfs(heard, hz + 200) < silentDbfs) resolve();
      frames = [];
    });
  });
