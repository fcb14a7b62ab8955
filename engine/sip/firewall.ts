import { spawn } from "node:child_process";
import type { Clock } from "../clock.ts";
import type { Log } from "../log.ts";
import { Poll } from "../poll.ts";
import { standingBans } from "../store/sip-bans.ts";
import type { Store } from "../store/store.ts";
import { addressesMax, table } from "./firewall-rules.ts";

export interface FirewallParts {
  store: Store;
  clock: Clock;
  log: Log;
}

/** A command of an operator's, in another process, is found within this. */
const everyMs = 2_000;
/** Whether or not anything changed: somebody may have loaded the rules anew. */
const againMs = 30_000;
const nftMsMax = 10_000;
/** What fails each time is said so often. */
const saidEveryMs = 60_000;
/** Not in everybody's PATH, and nowhere else on any distribution. */
const program = "/usr/sbin/nft";

/**
 * Keeps the kernel's set of banned addresses on the box as the store has it, each with the time that is left, so that it ends there
 * even if nobody is left to end it.
 */
export class Firewall {
  readonly #parts: FirewallParts;
  readonly #poll: Poll;
  #written = "";
  #writtenMs = -Infinity;
  #saidMs = -Infinity;

  constructor(parts: FirewallParts) {
    this.#parts = parts;
    this.#poll = new Poll(
      parts.clock,
      everyMs,
      () => this.#look(),
      (error) => this.#failed(error),
    );
  }

  start(): void {
    this.#poll.start();
  }

  wake(): void {
    this.#poll.wake();
  }

  stop(): Promise<void> {
    return this.#poll.stop();
  }

  #failed(error: unknown): void {
    const { clock, log } = this.#parts;
    if (clock.monotonicMs() < this.#saidMs + saidEveryMs) return;
    this.#saidMs = clock.monotonicMs();
    log.error({ err: error }, "The firewall's set of banned addresses could not be written.");
  }

  async #look(): Promise<void> {
    const { store, clock } = this.#parts;
    const nowMs = clock.nowMs();
    const bans = await store.read((tx) => standingBans(tx, nowMs, addressesMax, "address"));
    const list = bans.map(({ subject, untilMs }) => `${subject} ${untilMs}`).join("\n");
    if (list === this.#written && clock.monotonicMs() < this.#writtenMs + againMs) return;
    await nft(bannedSet(bans.map(({ subject, untilMs }) => ({ address: subject, forMs: untilMs - nowMs }))));
    this.#written = list;
    this.#writtenMs = clock.monotonicMs();
    this.#saidMs = -Infinity;
  }
}

/** One transaction of the kernel's: nobody is let in for a moment in between. */
function bannedSet(bans: readonly { address: string; forMs: number }[]): string {
  const elements = bans.map(
    ({ address, forMs }) => `${address} timeout ${Math.max(1, Math.ceil(forMs / 1000))}s`,
  );
  return [
    `add table ${table}`,
    `add set ${table} banned { type ipv4_addr; flags timeout; size ${addressesMax}; }`,
    `flush set ${table} banned`,
    ...(elements.length > 0 ? [`add element ${table} banned { ${elements.join(", ")} }`] : []),
    "",
  ].join("\n");
}

/** Whether the rules that `bans firewall` prints are loaded: else the set is there, and drops nobody. */
export async function rulesAreLoaded(): Promise<boolean> {
  const rules = await nft("", ["list", "table", ...table.split(" ")]).catch(() => "");
  return /jump sip/.test(rules) && /ip saddr @banned jump banned/.test(rules);
}

/** Rejects with its own words. */
async function nft(script: string, args: readonly string[] = ["-f", "-"]): Promise<string> {
  const child = spawn(program, args, { timeout: nftMsMax, stdio: ["pipe", "pipe", "pipe"] });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once("error", (cause) => reject(new Error("nft could not be run.", { cause })));
    child.once("close", resolve);
  });
  const said = { out: "", err: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => (said.out += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (said.err += text));
  child.stdin.on("error", () => undefined).end(script);
  const code = await ended;
  if (code !== 0) throw new Error(`nft ended with ${String(code)}: ${said.err.trim().slice(0, 500)}`);
  return said.out;
}
