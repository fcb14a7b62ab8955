import { parseArgs } from "node:util";
import { rfc3339Seconds } from "../../engine/clock.ts";
import { lastDoneAtMs } from "../../engine/store/audit.ts";
import { liveLegsByBox } from "../../engine/store/calls.ts";
import { boxStates, controllers, leases, setDraining } from "../../engine/store/leases.ts";
import type { ReadTx } from "../../engine/store/store.ts";
import { boxNamesOf } from "../open-calls.ts";
import { UsageError } from "../usage.ts";
import { print, recordOperatorChange, words, type Desk } from "./desk.ts";

/** Each box that is configured or that something is known of: who leads it, when it last answered, and what it has to do. */
export async function boxList({ config, store }: Desk, args: string[]): Promise<void> {
  const { positionals } = parseArgs({ args, allowPositionals: true, options: {} });
  words(positionals);
  const known = await store.read(async (tx) => ({
    states: await boxStates(tx),
    drained: await drainedSince(tx),
    leases: await leases(tx),
    controllers: await controllers(tx),
    legs: await liveLegsByBox(tx),
  }));
  const configured: readonly string[] = boxNamesOf(config);
  const names = new Set([...configured, ...known.states.map(({ name }) => name), ...known.legs.keys()]);
  for (const name of names) {
    const state = known.states.find((one) => one.name === name);
    const lease = known.leases.find((one) => one.name === name);
    const led = known.controllers.find(({ id }) => id === lease?.holder);
    const aliveAtUs = state?.aliveAtUs ?? null;
    print({
      ...{ box: name, configured: configured.includes(name), draining: state?.draining === 1 },
      draining_since: known.drained.get(name) ?? null,
      controller: lease?.holder ?? null,
      controller_host: led?.host ?? null,
      controller_pid: led?.pid ?? null,
      answered_at: aliveAtUs === null ? null : rfc3339Seconds(aliveAtUs / 1000),
      live_legs: known.legs.get(name) ?? 0,
    });
  }
}

const drainAction = "box drain";

export const boxDrain = (desk: Desk, args: string[]) => drain(desk, args, true);
export const boxUndrain = (desk: Desk, args: string[]) => drain(desk, args, false);

/** Since when each box that is being drained is, RFC 3339; null: it is not known. */
export async function drainedSince(tx: ReadTx): Promise<Map<string, string | null>> {
  const since = new Map<string, string | null>();
  for (const { name, draining } of await boxStates(tx)) {
    if (draining === 0) continue;
    const atMs = await lastDoneAtMs(tx, drainAction, name);
    since.set(name, atMs === undefined ? null : rfc3339Seconds(atMs));
  }
  return since;
}

/** No new calls there from the next second on; those that run go on. */
async function drain(desk: Desk, args: string[], draining: boolean): Promise<void> {
  const { config, store } = desk;
  const { positionals } = parseArgs({ args, allowPositionals: true, options: {} });
  const [name = ""] = words(positionals, "the box");
  const known: readonly string[] = boxNamesOf(config);
  const live = await store.write(async (tx) => {
    const states = await boxStates(tx);
    const state = states.find((one) => one.name === name);
    if (!known.includes(name) && !state)
      throw new UsageError(`There is no box "${name}"; npx sautikit box list shows them.`);
    const before = state?.draining === 1;
    if (before !== draining) {
      await setDraining(tx, name, draining);
      await recordOperatorChange(tx, desk, {
        ...{ workspaceId: null, action: draining ? drainAction : "box undrain", subject: name },
        ...{ before: { draining: before }, after: { draining } },
      });
    }
    return liveLegsByBox(tx);
  });
  print({ box: name, draining, live_legs: live.get(name) ?? 0 });
}
