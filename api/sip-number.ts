import { z } from "zod";
import { SautikitError } from "../engine/errors.ts";
import { isId, type SipId, type WorkspaceId } from "../engine/ids.ts";
import type { SipParts } from "../engine/sip/credentials.ts";
import { heldNumber } from "../engine/numbers/numbers.ts";
import { numberById, type NumberRow } from "../engine/store/numbers.ts";
import type { ReadTx, Tx } from "../engine/store/store.ts";
import type { ApiParts, SipAccess } from "./parts.ts";

const id = (prefix: string, what: string) =>
  z.string().meta({ description: `The ${what}'s id.`, examples: [`${prefix}_01j00000000000000000000001`] });

export const credentialPath = z.strictObject({
  id: id("num", "number"),
  credential_id: id("sip", "credential"),
});

/** How devices reach us. Throws `sip.unavailable`. */
export function accessOf({ sip }: ApiParts): SipAccess {
  if (!sip) throw new SautikitError("sip.unavailable");
  return sip.access();
}

/** What changes of a credential take. Throws `sip.unavailable`. */
export function sipParts({ sip, clock, ids }: ApiParts): SipParts {
  if (!sip) throw new SautikitError("sip.unavailable");
  return { clock, ids, realm: sip.access().realm, changed: sip.changed };
}

/** What the path names, to be looked at. Throws `numbers.not_found`. */
export async function numberNamed(tx: ReadTx, workspaceId: WorkspaceId, id: string): Promise<NumberRow> {
  const number = isId("num", id) ? await numberById(tx, id) : undefined;
  if (number?.workspaceId !== workspaceId) throw new SautikitError("numbers.not_found");
  return number;
}

/** The same, to be changed. Throws `numbers.released` too. */
export async function numberToServe(tx: Tx, workspaceId: WorkspaceId, id: string): Promise<NumberRow> {
  if (!isId("num", id)) throw new SautikitError("numbers.not_found");
  return heldNumber(tx, workspaceId, id);
}

/** Throws `sip.not_found`. */
export function sipIdOf(text: string): SipId {
  if (!isId("sip", text)) throw new SautikitError("sip.not_found");
  return text;
}
