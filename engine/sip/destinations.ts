import type { Clock } from "../clock.ts";
import { SautikitError } from "../errors.ts";
import type { Ids, SipDestinationId, WorkspaceId } from "../ids.ts";
import {
  countSipDestinations,
  deleteSipDestination,
  insertSipDestination,
  sipDestinationOf,
  sipDestinationsAt,
  type SipDestinationRow,
} from "../store/sip-destinations.ts";
import type { ReadTx, Tx } from "../store/store.ts";
import { keepWorkspace } from "../store/workspaces.ts";
import { portOf, type SipUri } from "./sip-uri.ts";

export const destinationsMax = 100;

/** What an owner says of whom may be dialled. */
export type DestinationWords = Pick<SipDestinationRow, "host" | "port" | "transport" | "sipUser" | "label">;

/** Throws `sip.destination_exists`, `sip.too_many_destinations`. That the host may be dialled at all is asked before, since it asks DNS. */
export async function addDestination(
  tx: Tx,
  { clock, ids }: { clock: Clock; ids: Ids },
  workspaceId: WorkspaceId,
  words: DestinationWords,
): Promise<SipDestinationRow> {
  // So that two at once do not both find that there is none, or room for one.
  await keepWorkspace(tx, workspaceId);
  const { host, port, transport, sipUser } = words;
  const same = (await sipDestinationsAt(tx, workspaceId, host)).some(
    (row) => row.port === port && row.transport === transport && row.sipUser === sipUser,
  );
  if (same) throw new SautikitError("sip.destination_exists");
  if ((await countSipDestinations(tx, workspaceId)) >= destinationsMax)
    throw new SautikitError("sip.too_many_destinations");
  const row = { id: ids.next("dst"), workspaceId, ...words, createdAtMs: clock.nowMs() };
  await insertSipDestination(tx, row);
  return row;
}

/** Nobody of it is dialled from here on; a call that runs goes on. Throws `sip.destination_not_found`. */
export async function removeDestination(
  tx: Tx,
  workspaceId: WorkspaceId,
  id: SipDestinationId,
): Promise<SipDestinationRow> {
  const row = await sipDestinationOf(tx, workspaceId, id);
  if (!row) throw new SautikitError("sip.destination_not_found");
  await deleteSipDestination(tx, id);
  return row;
}

/** Whether the workspace's list has it. */
export async function isListed(tx: ReadTx, workspaceId: WorkspaceId, uri: SipUri): Promise<boolean> {
  const rows = await sipDestinationsAt(tx, workspaceId, uri.host);
  return rows.some((row) => isOf(row, uri));
}

/** Pure. SIP's user names are told apart by case, its hosts are not (RFC 3261 §19.1.4). */
const isOf = (row: SipDestinationRow, uri: SipUri): boolean =>
  row.host === uri.host &&
  (row.port === null || row.port === portOf(uri)) &&
  (row.transport === null || row.transport === uri.transport) &&
  (row.sipUser === null || row.sipUser === uri.user);
