import { createSipAgent } from "../sip/agent.ts";
import type { IncomingSipCall, SipAgent } from "../sip/call.ts";
import type { HepSender } from "../sip/hep-sender.ts";
import { type Address, responseTo, type SipRequest } from "../sip/message.ts";
import type { ServerTransaction } from "../sip/transactions.ts";
import type { DirectoryUser } from "./directory.ts";
import { Registrar, type RegistrarOptions } from "./registrar.ts";

/** The profile `devices` of freeswitch-conf/: its own socket, whom it knows, and who is registered. */
export interface DevicesProfile {
  readonly sip: SipAgent;
  readonly registrar: Registrar;
  /** `DEVICES_MEDIA_TIMEOUT` of freeswitch-conf/. */
  readonly mediaTimeoutS: number;
  /** Whose login a call came with. */
  callerOf(call: IncomingSipCall): DirectoryUser | undefined;
  close(): Promise<void>;
}

export async function openDevices(
  options: RegistrarOptions & { host: string; port: number; mediaTimeoutS: number; capture?: HepSender },
): Promise<DevicesProfile> {
  const { host, port, clock, ids, mediaTimeoutS, capture } = options;
  const registrar = new Registrar(options);
  const callers = new Map<string, DirectoryUser>();
  /** True: answered. An INVITE that is let through has its login kept until the call is taken up. */
  const screen = (request: SipRequest, server: ServerTransaction, from: Address): boolean => {
    switch (request.method) {
      case "REGISTER":
        registrar.register(request, server, from);
        return true;
      case "INVITE": {
        const who = registrar.identify(request, server, 407, from);
        if (who === "answered") return true;
        callers.set(request.headers["call-id"], who.user);
        return false;
      }
      // The real one says so to everybody, and drops it.
      case "MESSAGE":
        server.respond(responseTo(request, 202, { toTag: ids.bytes(6).toString("hex") }));
        return true;
      default:
        return false;
    }
  };
  const sip = await createSipAgent({
    ...{ host, port, clock, ids, sendsWhileHeld: true, sticky: true, screen },
    ...(capture && { capture }),
  });
  return {
    sip,
    registrar,
    mediaTimeoutS,
    callerOf(call) {
      const user = callers.get(call.callId);
      callers.delete(call.callId);
      return user;
    },
    async close() {
      registrar.close();
      await sip.close();
    },
  };
}
