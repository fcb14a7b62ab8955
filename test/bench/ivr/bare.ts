import { join } from "node:path";
import { pino } from "pino";
import { systemClock } from "../../../engine/clock.ts";
import { systemIds } from "../../../engine/ids.ts";
import { FreeSwitchBox } from "../../../engine/switch/freeswitch-box.ts";
import type { MediaFile } from "../../../engine/switch/switch.ts";
import type { SwitchUnderTest } from "../../peers/switch-under-test.ts";
import { eventually } from "../../peers/waiting.ts";

/** What a switch can do by itself: a client that has it play the same prompt at each key, and knows nothing else. */
export class BareIvr {
  readonly #box: FreeSwitchBox;
  readonly #ids = systemIds(systemClock);
  #played = 0;

  private constructor(box: FreeSwitchBox, prompt: MediaFile) {
    this.#box = box;
    box.onEvent((event) => {
      if (event.kind !== "digit" && event.kind !== "parked") return;
      void box.play(event.leg, prompt, { token: `bare-${this.#played++}`, loops: 1 });
    });
  }

  static async open(box: SwitchUnderTest, prompt: MediaFile): Promise<BareIvr> {
    const opened = new FreeSwitchBox({
      ...{ box: "bare", ...box.esl, recordingsFolder: join(box.spoolDir, "recordings") },
      ...{ clock: systemClock, ids: systemIds(systemClock), log: pino({ level: "silent" }) },
    });
    const bare = new BareIvr(opened, prompt);
    opened.start();
    await eventually("the bare client's connection", () => opened.connected || undefined);
    return bare;
  }

  async place(): Promise<void> {
    const leg = this.#ids.next("leg");
    await this.#box.originate({
      then: { kind: "park" },
      ignoreEarlyMedia: true,
      branches: [
        {
          ...{ leg, call: this.#ids.next("call"), callerId: "+254200000001" },
          way: { kind: "trunk", gateway: "carrier", to: "+254700000001" },
          ...{ ringTimeoutSeconds: 60, maxSeconds: 3600, cutGroup: `cut-${leg}-0` },
        },
      ],
    });
  }

  /** The calls end with the far end. */
  close(): Promise<void> {
    return this.#box.stop();
  }
}
