import type { Clock } from "../../clock.ts";
import { numberFromCarrier } from "../../e164.ts";
import type { Ids } from "../../ids.ts";
import type { Log } from "../../log.ts";
import { liveLegsByBox } from "../../store/calls.ts";
import { boxesOfDevices } from "../../store/sip-credentials.ts";
import { issueTicket } from "../../store/edge-tickets.ts";
import type { Store } from "../../store/store.ts";
import type { Trunk } from "../trunks/trunk-file.ts";
import { judge, type EdgeRefusal, type SipAddress } from "./admission.ts";
import { Drachtio, type DrachtioAddress, type EdgeRequest } from "./drachtio.ts";

/** A media server that takes calls from the edge. */
export interface EdgeBox {
  /** As in `legs.box`. */
  readonly name: string;
  readonly sip: SipAddress;
  /** Whether its controller can be told of a call. */
  isUp(): boolean;
  /** Whether it is to get no new calls. */
  isDraining(): boolean;
}

export interface EdgeParts {
  drachtio: DrachtioAddress;
  /** As they are at each request. */
  trunks: () => readonly Trunk[];
  boxes: readonly EdgeBox[];
  store: Store;
  clock: Clock;
  ids: Ids;
  log: Log;
}

interface Known {
  /** Live legs by box. */
  loads: ReadonlyMap<string, number>;
  /** Boxes that devices of the number are registered with. */
  holding: readonly string[];
}

/** Requests since the start, by what became of them. */
export interface EdgeCounts {
  toBox: number;
  toTrunk: number;
  refused: Record<EdgeRefusal, number>;
}

/** The controller alone reads it; the media server names its variable after it. */
const ticketHeader = "X-Sautikit-Ticket";
/** A dead box costs that, and nobody waits longer than for a few; a live one says 100 at once. */
const boxSilenceMs = 1_000;
const boxesTriedMax = 3;
/** A carrier is further away: one INVITE may be lost, and the next, before its phone is given up that may ring by then. */
const trunkSilenceMs = 3_000;
/** Of one kind of refusal a line so often at most: a flood of them is not to fill the disk. */
const refusalLoggedEveryMs = 1_000;

/**
 * The trunk edge: what comes from a trunk goes, with a ticket, to the box that the number's devices are at, or that has least to do; what comes from a box
 * goes to the trunk it names; the rest goes nowhere. Holds nothing of a call: once one stands, drachtio-server passes
 * its requests on without asking.
 */
export class Edge {
  readonly counts: EdgeCounts = {
    ...{ toBox: 0, toTrunk: 0 },
    refused: {
      ...{ stranger: 0, forged_header: 0, no_number: 0, not_a_trunk: 0, method: 0, no_box: 0, no_store: 0 },
    },
  };
  readonly #parts: EdgeParts;
  readonly #drachtio: Drachtio;
  /** When a refusal of that kind was last logged, monotonic. */
  readonly #toldMs = new Map<EdgeRefusal, number>();

  constructor(parts: EdgeParts) {
    this.#parts = parts;
    this.#drachtio = new Drachtio({
      ...parts.drachtio,
      ...{ clock: parts.clock, ids: parts.ids, log: parts.log },
      onRequest: (request) => void this.#take(request),
    });
  }

  get connected(): boolean {
    return this.#drachtio.connected;
  }

  start(): void {
    this.#drachtio.start();
  }

  stop(): Promise<void> {
    return this.#drachtio.stop();
  }

  /** Never rejects. */
  async #take(request: EdgeRequest): Promise<void> {
    const { trunks, boxes, log } = this.#parts;
    try {
      const verdict = judge(request, { trunks: trunks(), boxes: boxes.map(({ sip }) => sip) });
      switch (verdict.kind) {
        case "alive":
          return request.answer(200, { Allow: allowed });
        case "refused":
          return this.#refuse(request, verdict.why, verdict.status);
        case "to_trunk":
          return await this.#toTrunk(request);
        case "to_box":
          return await this.#toBox(request, verdict.trunk, verdict.dialled);
      }
    } catch (error) {
      // The connection went meanwhile, or the caller did.
      log.warn({ err: error, sipCallId: request.sipCallId }, "a request was not sent on by the edge");
    }
  }

  async #toTrunk(request: EdgeRequest): Promise<void> {
    this.counts.toTrunk++;
    await request.proxy({
      ...{ destinations: [request.uri], recordRoute: request.method === "INVITE", silenceMs: trunkSilenceMs },
    });
  }

  async #toBox(request: EdgeRequest, trunk: Trunk, dialled: string): Promise<void> {
    const { ids, clock, store, log } = this.#parts;
    const { sipCallId } = request;
    const ticket = ids.bytes(24).toString("base64url");
    let known: Known;
    try {
      known = await store.write(async (tx) => {
        const nowMs = clock.nowMs();
        await issueTicket(tx, { ticket, trunk: trunk.name, dialled, nowMs });
        return {
          loads: await liveLegsByBox(tx),
          holding: await boxesOfDevices(tx, { e164: numberFromCarrier(dialled) ?? dialled }, nowMs),
        };
      });
    } catch (error) {
      log.error({ err: error, trunk: trunk.name, sipCallId }, "no ticket could be given out");
      return this.#refuse(request, "no_store", 503);
    }
    if (request.cancelled) return;
    const boxes = this.#inOrder(known);
    if (boxes.length === 0) return this.#refuse(request, "no_box", 503);
    this.counts.toBox++;
    const status = await request.proxy({
      destinations: boxes.map(({ sip }) => `sip:${dialled}@${sip.host}:${sip.port}`),
      ...{ recordRoute: true, silenceMs: boxSilenceMs },
      headers: { [ticketHeader]: ticket },
    });
    log.debug({ trunk: trunk.name, sipCallId, status }, "a trunk's call was decided");
  }

  /** None that is being drained; those that are driven before those that are not, then those that the number's devices are at, then by what they have to do. */
  #inOrder({ loads, holding }: Known): EdgeBox[] {
    const weight = (box: EdgeBox) =>
      (box.isUp() ? 0 : 2e9) + (holding.includes(box.name) ? 0 : 1e9) + (loads.get(box.name) ?? 0);
    return this.#parts.boxes
      .filter((box) => !box.isDraining())
      .sort((one, other) => weight(one) - weight(other))
      .slice(0, boxesTriedMax);
  }

  #refuse(request: EdgeRequest, why: EdgeRefusal, status: number): void {
    const { method, source, sipCallId } = request;
    this.counts.refused[why]++;
    const nowMs = this.#parts.clock.monotonicMs();
    if (nowMs - (this.#toldMs.get(why) ?? -Infinity) >= refusalLoggedEveryMs) {
      this.#toldMs.set(why, nowMs);
      const count = this.counts.refused[why];
      this.#parts.log.warn({ why, method, source, sipCallId, count }, "the edge refused a request");
    }
    request.answer(status, status === 405 ? { Allow: allowed } : {});
  }
}

const allowed = "INVITE, ACK, CANCEL, BYE, OPTIONS";
