import { createServer, type Socket } from "node:net";
import { once } from "node:events";
import { systemClock, type Clock } from "../../clock.ts";
import { systemIds, type Ids } from "../../ids.ts";
import { createSipAgent } from "../sip/agent.ts";
import { createHepSender } from "../sip/hep-sender.ts";
import { responseTo, type Address } from "../sip/message.ts";
import { apisOf, runApi } from "./apis.ts";
import { ChannelListing } from "./channel-listing.ts";
import { openDevices } from "./devices.ts";
import { Directory } from "./directory.ts";
import { hangUp } from "./hang-up.ts";
import { newUuid, tickMs, type Core } from "./core.ts";
import { EslListener } from "./esl-listener.ts";
import { EventBus } from "./event-bus.ts";
import { Gateways, type Gateway } from "./gateways.ts";
import { acceptInbound } from "./inbound.ts";
import { race } from "./originate.ts";
import { Scheduler } from "./scheduler.ts";

export interface SimulatedSwitchOptions {
  eslHost: string;
  /** 0: a free one. */
  eslPort: number;
  eslPassword: string;
  sipHost: string;
  /** 0: a free one. */
  sipPort: number;
  /** Names as in `sofia/gateway/<name>/…`. */
  gateways: Readonly<Record<string, Gateway>>;
  /** More of them, and who may call, are in its folder `trunks`. */
  spoolDir?: string;
  /** Customers' devices, as freeswitch-conf/ has them where DEVICES_HOST is set. */
  devices?: DevicesOptions;
  /** Whom each SIP message is told, as `capture-server` and `sip-capture` do it; default: nobody. */
  hep?: Address;
  /** Where end-of-leg records go, one file a leg. */
  cdrDir: string;
  clock?: Clock;
  ids?: Ids;
}

export interface DevicesOptions {
  host: string;
  /** 0: a free one. */
  port: number;
  realm: string;
  /** Credentials are in its folder `directory`. */
  spoolDir: string;
  /** Default 60. */
  expiresMinS?: number;
  /** So long without sound, and a device's leg ends. Default 300. */
  mediaTimeoutS?: number;
}

export interface SimulatedSwitch {
  eslPort: number;
  sipPort: number;
  /** Null: it serves none. */
  devicesPort: number | null;
  /** As SIGTERM: BYE to all, every leg's record written, then the sockets close. */
  close(): Promise<void>;
}

/** FreeSWITCH as the controller knows it, in this process: ESL, SIP, RTP, recordings and end-of-leg records. */
export async function startSimulatedSwitch(options: SimulatedSwitchOptions): Promise<SimulatedSwitch> {
  // security.md 5.3: the password that everybody knows is no password.
  if (options.eslPassword === "" || options.eslPassword === "ClueCon") {
    throw new Error("The simulated switch needs an ESL password of its own: neither empty nor ClueCon.");
  }
  const clock = options.clock ?? systemClock;
  const ids = options.ids ?? systemIds(clock);
  const hep = options.hep && createHepSender(options.hep, clock);
  const capture = hep ? { capture: hep } : {};
  const sip = await createSipAgent({
    host: options.sipHost,
    port: options.sipPort,
    clock,
    ids,
    sendsWhileHeld: true,
    ...capture,
    // `timer-T1X64` of freeswitch-conf/.
    timers: { giveUpMs: 8000 },
    screen: (request, server, from) => {
      if (request.method !== "INVITE" || gateways.allows(from.host)) return false;
      server.respond(responseTo(request, 403, { toTag: ids.bytes(6).toString("hex") }));
      return true;
    },
  });
  const gateways = new Gateways(options.gateways, options.spoolDir ?? null, { clock, ids, sip });
  const events = new EventBus({ clock, coreUuid: newUuid(ids), hostname: "simulator" });
  const devices = options.devices
    ? await openDevices({
        ...{ expiresMinS: 60, mediaTimeoutS: 300, ...options.devices, clock, ids, events, ...capture },
        directory: new Directory(options.devices.spoolDir),
      })
    : null;
  const core: Core = {
    clock,
    ids,
    events,
    scheduler: new Scheduler({ clock, events }),
    sip,
    devices,
    gateways,
    cdrDir: options.cdrDir,
    startedAtMs: clock.nowMs(),
    channels: new Map(),
    rooms: new Map(),
    api: (line) => runApi(core, apis, line),
    dial: (target, dialler) => race(core, { ...target, application: null, timeoutSeconds: null }, dialler),
  };
  const apis = apisOf(new ChannelListing(core));
  sip.onInvite((call) => acceptInbound(core, call, null));
  devices?.sip.onInvite((call) => {
    const user = devices.callerOf(call);
    if (user === undefined) call.reject(403);
    else acceptInbound(core, call, user);
  });

  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    new EslListener({ core, socket, password: options.eslPassword });
  });
  server.listen(options.eslPort, options.eslHost);
  try {
    await once(server, "listening");
  } catch (error) {
    await Promise.all([sip.close(), devices?.close()]);
    hep?.close();
    throw error;
  }
  const address = server.address();

  let closed: Promise<void> | null = null;
  return {
    eslPort: typeof address === "object" && address !== null ? address.port : options.eslPort,
    sipPort: sip.port,
    devicesPort: devices?.sip.port ?? null,
    close: () => (closed ??= stop()),
  };

  async function stop(): Promise<void> {
    core.scheduler.close();
    gateways.close();
    for (const channel of [...core.channels.values()]) hangUp(core, channel, "SYSTEM_SHUTDOWN");
    while (core.channels.size > 0) await clock.sleep(tickMs);
    events.publish("SHUTDOWN", [["Event-Info", "System Shutting Down"]]);
    await Promise.all([sip.close(), devices?.close()]);
    hep?.close();
    server.close();
    for (const socket of sockets) socket.end();
    await clock.sleep(tickMs);
    for (const socket of sockets) socket.destroy();
  }
}
