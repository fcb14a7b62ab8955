import { linkSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Worker } from "node:worker_threads";

/** What the switch itself wrote of one leg at its end, as far as the audit needs it. */
export interface EndRecord {
  /** The leg's id, or the name of its channel where the switch was never told that. */
  leg: string;
  /** µs since the epoch; 0: it never came to that. An answer that lost a race came to nothing, and costs nothing. */
  earlyMediaUs: bigint;
  answeredUs: bigint;
  endedUs: bigint;
  cause: string;
  /** Of the dialog with the carrier, whose own account has it too. */
  sipCallId: string | null;
  /** Recordings that it was told at dialling to make, and from when. */
  recordings: { id: string; from: "answer" | "media" }[];
  /** Of 20 ms, as the switch read them of the party: those that came, and those that it made up where none was there. */
  frames: { heard: number; madeUp: number };
}

/**
 * Keeps every end-of-leg record that the switch writes. The product deletes each after its settlement, so that a second
 * name is given to it as soon as it appears; what is written later is in the same file.
 */
export class EndRecordKeeper {
  readonly #kept: string;
  readonly #worker: Worker;
  /** Seen to appear, and gone before it could be kept: of these legs the audit would know nothing. */
  readonly missed: string[] = [];

  private constructor(folder: string, kept: string) {
    this.#kept = kept;
    // A thread of its own: the tests' may be busy for longer than a record lives.
    this.#worker = new Worker(new URL("keep-records.ts", import.meta.url), {
      workerData: { folder, kept } satisfies KeepOrder,
    });
    this.#worker.on("message", (message: KeeperMessage) => {
      if (message.kind === "missed") this.missed.push(message.file);
    });
    this.#worker.unref();
  }

  /** Resolves once nothing that appears in `folder` can be missed any more. */
  static async watch(folder: string, kept: string): Promise<EndRecordKeeper> {
    mkdirSync(kept, { recursive: true });
    const keeper = new EndRecordKeeper(folder, kept);
    await new Promise<void>((resolve, reject) => {
      keeper.#worker.once("message", () => resolve());
      keeper.#worker.once("error", reject);
    });
    return keeper;
  }

  /** By file. A record that a killed switch did not write to its end is none. */
  records(): Map<string, EndRecord> {
    const found = readdirSync(this.#kept).flatMap((name) => {
      const record = readRecord(readFileSync(join(this.#kept, name), "utf8"));
      return record ? [[name, record] as const] : [];
    });
    return new Map(found);
  }

  async stop(): Promise<void> {
    await this.#worker.terminate();
  }
}

/** How the switch ends whoever rang beside the one that it kept, though they had answered in the same moment. */
export const lostRace = "LOSE_RACE";

export interface KeepOrder {
  folder: string;
  kept: string;
}
export type KeeperMessage = { kind: "watching" } | { kind: "missed"; file: string };

/** True: kept, now or before. */
export function keep({ folder, kept }: KeepOrder, name: string): boolean {
  try {
    linkSync(join(folder, name), join(kept, name));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return true;
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return readdirSync(kept).includes(name);
    throw error;
  }
}

function readRecord(text: string): EndRecord | null {
  if (!text.endsWith("\n")) return null;
  let variables: Record<string, string>;
  try {
    ({ variables } = JSON.parse(text) as { variables: Record<string, string> });
  } catch {
    return null;
  }
  const names = [variables["uuid"], variables["presence_data"]];
  const leg = names.find((id) => id?.startsWith("leg_")) ?? names[0];
  if (leg === undefined) return null;
  const stamp = (name: string) => BigInt(variables[`${name}_uepoch`] ?? 0);
  const cause = variables["hangup_cause"] ?? "";
  const counted = (name: string) => Number(variables[`rtp_audio_in_${name}_packet_count`] ?? 0);
  return {
    leg,
    earlyMediaUs: stamp("progress_media"),
    answeredUs: cause === lostRace ? 0n : stamp("answer"),
    endedUs: stamp("end"),
    cause,
    sipCallId: variables["sip_call_id"] ?? null,
    recordings: recordingsAskedFor(variables),
    frames: { heard: counted("media"), madeUp: counted("skip") },
  };
}

/** `execute_on_answer=record_session /spool/recordings/rec_….wav`, and the like for the first media. */
function recordingsAskedFor(variables: Record<string, string>): EndRecord["recordings"] {
  const of = (variable: string) => /rec_[0-9a-z]{26}/.exec(variables[variable] ?? "")?.[0];
  const fromMedia = of("execute_on_media");
  const fromAnswer = of("execute_on_answer");
  if (fromMedia !== undefined) return [{ id: fromMedia, from: "media" }];
  return fromAnswer === undefined ? [] : [{ id: fromAnswer, from: "answer" }];
}
