import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer as createTlsServer } from "node:tls";
import { pino } from "pino";
import { systemClock } from "../../engine/clock.ts";
import { FreeSwitchBox } from "../../engine/switch/freeswitch-box.ts";
import { channelName } from "../../engine/switch/channel-names.ts";
import { addressesFile, gatewaysFile, trunkFileNames } from "../../engine/switch/gateway-file.ts";
import { freePort } from "../peers/free-ports.ts";
import { startRealSwitch } from "../peers/real-switch.ts";
import { switchKind, switchMissing, type SwitchUnderTest } from "../peers/switch-under-test.ts";
import { eventually } from "../peers/waiting.ts";
import { reportResults } from "./report.ts";
import { ids } from "./world.ts";

const fixture = (name: string) =>
  readFileSync(new URL(`../egress/fixtures/hooks.example.${name}.pem`, import.meta.url), "utf8");

/** The simulator speaks UDP alone. */
const skipped = switchKind !== "freeswitch" || switchMissing !== undefined;

(skipped ? describe.skip : describe)("trunks over TCP and TLS, on a real FreeSWITCH", function () {
  this.timeout(60_000);
  let folder: string;
  let on: SwitchUnderTest;
  let box: FreeSwitchBox;
  const carriers: Server[] = [];
  reportResults();

  /** Refuses each call, and says over what it came. */
  async function carrier(secure: boolean): Promise<{ port: number; invites: string[] }> {
    const invites: string[] = [];
    const take = (socket: Socket) => {
      socket.on("error", () => undefined);
      socket.on("data", (bytes: Buffer) => {
        const text = bytes.toString();
        if (!/^(INVITE|OPTIONS)/.test(text)) return;
        const isInvite = text.startsWith("INVITE");
        if (isInvite) invites.push(text);
        const kept = text.split("\r\n").filter((line) => /^(Via|From|To|Call-ID|CSeq):/i.test(line));
        const head = kept.join("\r\n").replace(/^(To:[^\r]*)/im, "$1;tag=1");
        socket.write(`SIP/2.0 ${isInvite ? 486 : 200} Told\r\n${head}\r\nContent-Length: 0\r\n\r\n`);
      });
    };
    const server = secure
      ? createTlsServer({ cert: fixture("cert"), key: fixture("key") }, take)
      : createServer(take);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    carriers.push(server);
    return { port: (server.address() as AddressInfo).port, invites };
  }

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "trunks-tcp-"));
    writeFileSync(join(folder, "agent.pem"), fixture("cert") + fixture("key"));
    on = await startRealSwitch({
      carrier: { host: "127.0.0.1", port: await freePort() },
      env: {
        CARRIER_HOST: "none",
        TRUNKS_PORT: String(await freePort()),
        TRUNKS_TLS_PORT: String(await freePort()),
        TRUNKS_CERT_DIR: folder,
      },
    });
    box = new FreeSwitchBox({
      ...{ box: "box", ...on.esl, recordingsFolder: join(on.spoolDir, "recordings") },
      ...{ clock: systemClock, ids, log: pino({ level: "silent" }) },
    });
    box.start();
    await eventually("a connection", () => box.connected || undefined);
  });
  after(async () => {
    await box.stop();
    await on.stop();
    for (const server of carriers) server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  for (const transport of ["tcp", "tls"] as const) {
    it(`a call to one over ${transport} goes over it, once its gateway was loaded`, async () => {
      const { port, invites } = await carrier(transport === "tls");
      const gateway = {
        ...{ name: `by-${transport}`, host: "127.0.0.1", port, transport, over: null, login: null },
        ...{ registerSeconds: null, pingSeconds: 5, codecs: ["PCMA"] },
      };
      mkdirSync(join(on.spoolDir, "trunks"), { recursive: true });
      writeFileSync(join(on.spoolDir, trunkFileNames.secure), gatewaysFile([gateway]));
      writeFileSync(join(on.spoolDir, trunkFileNames.addresses), addressesFile(["127.0.0.1/32"]));
      await box.loadGateways([]);
      const [state] = (await box.gateways()).filter(({ name }) => name === gateway.name);
      assert.deepEqual([state?.profile, state?.up], ["trunks", true]);
      const outcome = await box.placeTest({
        ...{ channel: channelName(ids.bytes(16)), gateway: gateway.name, to: "+254722000001" },
        ...{ callerId: "+254200000001", ringTimeoutSeconds: 10 },
      });
      assert.deepEqual([outcome.cause, outcome.sipStatus], ["USER_BUSY", 486]);
      assert.equal(invites.length, 1);
      assert.match(invites[0]!, new RegExp(`^Via: SIP/2.0/${transport.toUpperCase()} `, "m"));
    });
  }

  it("there is no gateway of the environment's where CARRIER_HOST is none", async () => {
    const names = (await box.gateways()).map(({ name }) => name);
    assert.ok(!names.includes("carrier"), names.join());
  });
});
