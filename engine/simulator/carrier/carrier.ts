import type { Clock } from "../../clock.ts";
import { createSipAgent } from "../sip/agent.ts";
import { CallLog, type CarrierCall, type NumberCounts } from "./call-log.ts";
import { Callers } from "./callers.ts";
import { behaviourOf, dialledNumber } from "./magic-numbers.ts";
import { playParty } from "./party.ts";
import { startStatusServer } from "./status-server.ts";

export interface CarrierOptions {
  host: string;
  /** 0: a free one. */
  port: number;
  /** Of the status page, on loopback; a free one by default. */
  statusPort?: number;
  clock: Clock;
  /** `host:port` of the switch that its people call; each call can name another. */
  switchAddress?: string;
  log?: (line: string) => void;
}

export interface Carrier {
  readonly host: string;
  readonly port: number;
  readonly statusUrl: string;
  readonly calls: readonly Readonly<CarrierCall>[];
  /** By number, in E.164. */
  readonly counts: ReadonlyMap<string, Readonly<NumberCounts>>;
  /** Ends all calls; within a second. */
  close(): Promise<void>;
}

/** Every telephone there is, behind one SIP trunk: each number behaves as magic-numbers.ts says. */
export async function startCarrier({
  host,
  port,
  statusPort = 0,
  clock,
  switchAddress,
  log,
}: CarrierOptions): Promise<Carrier> {
  const callLog = new CallLog();
  const agent = await createSipAgent({ host, port, clock, ...(log ? { log } : {}) });
  const callers = new Callers({ agent, clock, log: callLog });
  const status = await startStatusServer({ log: callLog, callers, switchAddress }, statusPort).catch(
    async (error: unknown) => {
      await agent.close();
      throw error;
    },
  );
  agent.onInvite((call) => {
    const number = dialledNumber(call.toUser);
    const record: CarrierCall = {
      callId: call.callId,
      number,
      from: call.fromUser,
      invitedAtMs: clock.nowMs(),
      answeredAtMs: null,
      endedAtMs: null,
      endedBy: null,
      status: null,
      q850: null,
      digits: "",
      heard: [],
      media: null,
    };
    callLog.invited(record);
    playParty(call, { clock, log: callLog, record, behaviour: behaviourOf(number) });
  });
  return {
    host: agent.host,
    port: agent.port,
    statusUrl: status.url,
    get calls() {
      return callLog.calls;
    },
    counts: callLog.counts,
    close: async () => {
      await Promise.all([agent.close(), status.close()]);
    },
  };
}
