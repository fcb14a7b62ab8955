import { systemClock } from "../../../engine/clock.ts";
import { EspeakEngine } from "../../../engine/media/speech/espeak-engine.ts";

/** Speaks once, says so, and stays until it is killed. */
const engine = new EspeakEngine({ clock: systemClock });
await engine.render({ text: "Habari", language: "sw", voice: "man" }, new AbortController().signal);
process.stdout.write("spoken\n");
setInterval(() => undefined, 60_000);
