import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { pino } from "pino";
import { systemClock } from "../../../engine/clock.ts";
import { systemIds } from "../../../engine/ids.ts";
import type { IncomingSipCall, SipAgent, SipCall } from "../../../engine/simulator/sip/call.ts";
import { Edge } from "../../../engine/sip/edge/edge.ts";
import { sautikit } from "../../cli/sautikit.ts";
import { edgeKind, startEdgeUnderTest } from "../../peers/edge-under-test.ts";
import { freePort } from "../../peers/free-ports.ts";
import { eventually } from "../../peers/waiting.ts";
import { agent, closeAgents, happens, nextInvite } from "../../simulator/sip/agents.ts";
import { asks, boxAt, edgeWorld, trunksIn } from "./edge-world.ts";

const number = "+254200000001";

/** As a box calls over the edge: sent there, and naming the trunk. */
const by = (edge: SipPlace, user: string, { host, port }: SipPlace) => ({
  ...{ user, host: edge.host, port: edge.port, uri: `sip:${user}@${host}:${port}` },
});
interface SipPlace {
  host: string;
  port: number;
}
const ticketHeader = "x-sautikit-ticket";

describe(`the trunk edge (${edgeKind})`, function () {
  this.timeout(20_000);
  const folder = mkdtempSync(join(tmpdir(), "edge-doctor-"));
  let world: Awaited<ReturnType<typeof edgeWorld>>;
  /** A carrier's switch, and two of our boxes. */
  let safaricom: SipAgent, first: SipAgent, second: SipAgent;
  before(async () => {
    world = await edgeWorld();
  });
  beforeEach(async () => {
    [safaricom, first, second] = await Promise.all([agent(), agent(), agent()]);
    world.setBoxes(boxAt("first", first), boxAt("second", second));
    const { host, port } = safaricom;
    world.setTrunks(trunksIn({ name: "safaricom", via: "edge", host, port, addresses: ["127.0.0.1/32"] }));
  });
  afterEach(closeAgents);
  after(async () => {
    await world.end();
    rmSync(folder, { recursive: true, force: true });
  });

  const callIn = (more: { to?: string; headers?: Record<string, string>; from?: SipAgent } = {}): SipCall =>
    (more.from ?? safaricom).invite({
      ...{ user: more.to ?? number, ...world.server.sip, fromUser: "+254722000001" },
      ...(more.headers && { headers: more.headers }),
    });
  const status = async (call: SipCall): Promise<number | null> => (await happens(call, "ended"))[0].status;
  /** Both ends are answered, each by way of the edge. */
  async function talk(call: SipCall, arriving: Promise<IncomingSipCall>): Promise<IncomingSipCall> {
    const answered = happens(call, "answered");
    const arrived = await arriving;
    const acknowledged = happens(arrived, "answered");
    arrived.answer();
    await Promise.all([answered, acknowledged]);
    return arrived;
  }

  /** What comes before drachtio-server has noticed is answered by nobody. */
  const noApplication = () =>
    eventually("503", async () => {
      const answer = asks(safaricom, "OPTIONS", world.server.sip).then(({ status: told }) => told === 503);
      return (await Promise.race([answer, sleep(200)])) === true || undefined;
    });

  it("brings a trunk's call to a box, with a ticket for the number dialled that is in the database by then", async () => {
    const arriving = nextInvite(first);
    const call = callIn();
    const arrived = await arriving;
    const ticket = arrived.headers[ticketHeader];
    assert.match(ticket ?? "", /^[A-Za-z0-9_-]{32}$/);
    assert.equal(arrived.toUser, number);
    const [row] = await world.store.read((tx) =>
      tx.all<Record<string, unknown>>("SELECT * FROM edge_tickets WHERE ticket = ?", [ticket!]),
    );
    assert.deepEqual(
      [
        row!["trunk"],
        row!["dialled"],
        row!["usedAtMs"],
        Number(row!["expiresAtMs"]) - Number(row!["createdAtMs"]),
      ],
      ["safaricom", number, null, 30_000],
    );
    call.end();
    assert.equal(await status(arrived), 487);
  });

  for (const ender of ["the trunk", "the box"] as const)
    for (const way of ["in", "out"] as const)
      it(`a call ${way} is answered, held and ended by ${ender} with no application there`, async () => {
        const { host, port } = safaricom;
        const call =
          way === "in"
            ? callIn()
            : first.invite({
                ...by(world.server.sip, "+254722000001", { host, port }),
                fromUser: number,
              });
        const arrived = await talk(call, nextInvite(way === "in" ? first : safaricom));
        const [trunk, box] = way === "in" ? [call, arrived] : [arrived, call];
        const [ending, other] = ender === "the trunk" ? [trunk, box] : [box, trunk];
        await world.edge.stop();
        try {
          const held = happens(other, "direction");
          ending.changeDirection("sendonly");
          assert.deepEqual(await held, ["sendonly"]);
          const resumed = happens(other, "direction");
          ending.changeDirection("sendrecv");
          await resumed;
          const over = happens(other, "ended");
          ending.end({ q850: 16 });
          assert.equal((await over)[0].by, "them");
        } finally {
          world.edge.start();
          await world.connected();
        }
      });

  it("a box that is dead costs a second, and the next has the call", async () => {
    const dead = { ...boxAt("dead", first), sip: { host: "127.0.0.1", port: await freePort() } };
    world.setBoxes(dead, boxAt("second", second));
    const startedMs = performance.now();
    const arriving = nextInvite(second);
    const call = callIn();
    const arrived = await talk(call, arriving);
    const tookMs = performance.now() - startedMs;
    assert.ok(tookMs >= 900 && tookMs < 2_000, `${tookMs} ms`);
    const over = happens(call, "ended");
    arrived.end();
    await over;
  });

  it("takes boxes that are driven first, one that is not all the same at the last", async () => {
    world.setBoxes(boxAt("first", first, { up: false }), boxAt("second", second));
    const [later, sooner] = [nextInvite(first), nextInvite(second)];
    const call = callIn();
    (await sooner).reject(503);
    await talk(call, later);
    const over = happens(call, "ended");
    (await later).end();
    await over;
  });

  it("passes over a box that is being drained, and tells 503 where all are", async () => {
    const drained = { draining: true };
    world.setBoxes(boxAt("first", first, drained), boxAt("second", second));
    const arriving = nextInvite(second);
    let reached = 0;
    first.onInvite((asked) => {
      reached++;
      asked.reject(503);
    });
    const call = callIn();
    const arrived = await talk(call, arriving);
    const over = happens(call, "ended");
    arrived.end();
    await over;
    const before = world.edge.counts.refused.no_box;
    world.setBoxes(boxAt("first", first, drained), boxAt("second", second, drained));
    assert.equal(await status(callIn()), 503);
    assert.deepEqual([reached, world.edge.counts.refused.no_box], [0, before + 1]);
  });

  it("takes of two boxes the one that has less to do", async () => {
    await world.addLeg("busy");
    world.setBoxes(boxAt("busy", first), boxAt("idle", second));
    const arriving = nextInvite(second);
    const call = callIn();
    const arrived = await talk(call, arriving);
    const over = happens(call, "ended");
    arrived.end();
    await over;
  });

  it("takes the box that the number's devices are registered at, whatever it has to do", async () => {
    await world.addLeg("holding");
    await world.addDevice("holding", "+254200000001", Date.now() + 60_000);
    world.setBoxes(boxAt("none", second), boxAt("holding", first));
    const elsewhere: string[] = [];
    // As carriers write it.
    for (const to of [number, "254200000001", "00254200000001", "0200000001", "200000001"]) {
      second.onInvite((asked) => {
        elsewhere.push(to);
        asked.reject(503);
      });
      const arriving = nextInvite(first);
      const call = callIn({ to });
      const arrived = await talk(call, arriving);
      const over = happens(call, "ended");
      arrived.end();
      await over;
    }
    assert.deepEqual(elsewhere, []);
  });

  it("carries forty calls at once, each with a ticket of its own", async () => {
    const tickets = new Set<string>();
    first.onInvite((call) => {
      tickets.add(call.headers[ticketHeader] ?? "");
      call.answer();
    });
    world.setBoxes(boxAt("first", first));
    await Promise.all(
      Array.from({ length: 40 }, async () => {
        const call = callIn();
        await happens(call, "answered");
        const over = happens(call, "ended");
        call.end();
        await over;
      }),
    );
    assert.equal(tickets.size, 40);
  });

  for (const [answer, after, told] of [
    [404, 404, 404],
    [486, 503, 486],
    [480, 503, 480],
    [603, 503, 603],
  ] as const)
    it(`a caller whom one box told ${answer} and the next ${after} hears ${told}`, async () => {
      const [one, other] = [nextInvite(first), nextInvite(second)];
      const call = callIn();
      (await one).reject(answer);
      (await other).reject(after);
      assert.equal(await status(call), told);
    });

  it("a caller who gives up while it rings ends it at the box", async () => {
    const arriving = nextInvite(first);
    const call = callIn();
    const arrived = await arriving;
    arrived.ring();
    await happens(call, "ringing");
    const over = happens(arrived, "ended");
    call.end();
    assert.deepEqual([(await over)[0].by, (await over)[0].status], ["them", 487]);
  });

  it("refuses whoever is no trunk, and whoever forges a header of ours, with 403", async () => {
    const stranger = await agent({ host: "127.0.0.2" });
    assert.equal(await status(callIn({ from: stranger })), 403);
    assert.equal(await status(callIn({ headers: { "X-Sautikit-Ticket": "forged" } })), 403);
    assert.equal(await status(callIn({ headers: { "x-sautikit-anything": "forged" } })), 403);
    const another = "a@b;to-tag=1;from-tag=2";
    assert.equal(await status(callIn({ headers: { Replaces: another } })), 403);
    assert.ok(world.edge.counts.refused.forged_header >= 2 && world.edge.counts.refused.stranger >= 1);
  });

  it("answers a trunk's OPTIONS by itself, and takes nothing else but calls", async () => {
    const { sip } = world.server;
    assert.equal((await asks(safaricom, "OPTIONS", sip)).status, 200);
    for (const method of ["REGISTER", "MESSAGE", "SUBSCRIBE"])
      assert.equal((await asks(safaricom, method, sip)).status, 405, method);
    const stranger = await agent({ host: "127.0.0.2" });
    assert.equal((await asks(stranger, "OPTIONS", sip)).status, 403);
  });

  it("takes no call to what is no number", async () => {
    assert.equal(await status(callIn({ to: "x y" })), 404);
  });

  /** A second trunk, where nobody listens. */
  async function deadTrunk(): Promise<number> {
    const port = await freePort();
    const trunk = { name: "dead", via: "edge", host: "127.0.0.1", port, addresses: ["192.0.2.1/32"] };
    const alive = { name: "safaricom", via: "edge", host: safaricom.host, port: safaricom.port };
    world.setTrunks(trunksIn(alive, trunk));
    return port;
  }

  it("lets boxes reach its trunks, and nobody else", async () => {
    const { sip } = world.server;
    const { host, port } = safaricom;
    assert.equal((await asks(first, "OPTIONS", sip, `sip:${host}:${port}`)).status, 200);
    assert.equal((await asks(first, "OPTIONS", sip, `sip:${host}:${second.port}`)).status, 403);
    const startedMs = performance.now();
    const silent = first.invite({
      ...by(sip, "+254722000001", { host, port: await deadTrunk() }),
      fromUser: number,
    });
    assert.equal(await status(silent), 408);
    const waitedMs = performance.now() - startedMs;
    assert.ok(waitedMs > 2_500 && waitedMs < 4_500, `${waitedMs} ms`);
    const elsewhere = first.invite({
      ...by(sip, "+881600000001", { host, port: second.port }),
      fromUser: number,
    });
    assert.equal(await status(elsewhere), 403);
  });

  it("is looked at by doctor: with a controller, without one, with another secret", async () => {
    const found = async (env: Record<string, string> = {}) => {
      const { stdout } = await sautikit(["doctor"], {
        ...{ DATA_DIR: folder, SPOOL_DIR: folder, TRUNKS_FILE: join(folder, "trunks.yaml") },
        ...{ FREESWITCH_URLS: "freeswitch://:secret@127.0.0.1:1", ...world.server.env, ...env },
      });
      return stdout.split("\n").find((line) => line.includes(" trunk edge: ")) ?? stdout;
    };
    assert.match(await found(), /^ok .*a controller answers at 127\.0\.0\.1:\d+$/);
    const { host, port } = world.server.admin;
    assert.match(await found({ DRACHTIO_URL: `drachtio://:wrong@${host}:${port}` }), /^BROKEN .*the secret$/);
    await world.edge.stop();
    try {
      await noApplication();
      assert.match(await found(), /^WARN .*has no controller/);
    } finally {
      world.edge.start();
      await world.connected();
    }
  });

  it("tells new calls 503 while no application is there, and takes them again after", async () => {
    await world.edge.stop();
    await noApplication();
    assert.equal(await status(callIn()), 503);
    world.edge.start();
    await world.connected();
    assert.equal((await asks(safaricom, "OPTIONS", world.server.sip)).status, 200);
  });

  it("comes back when drachtio-server does, and a call that was answered before goes on", async () => {
    const { sip, admin } = world.server;
    const call = callIn();
    const arrived = await talk(call, nextInvite(first));
    const ports = { sip: sip.port, admin: admin.port };
    await world.server.stop();
    await eventually("the loss", () => !world.edge.connected || undefined);
    world.server = await startEdgeUnderTest(ports);
    await world.connected();
    assert.equal((await asks(safaricom, "OPTIONS", world.server.sip)).status, 200);
    const held = happens(arrived, "direction");
    call.changeDirection("sendonly");
    await held;
    const over = happens(call, "ended");
    arrived.end();
    assert.equal((await over)[0].by, "them");
  });

  it("outlives a server that talks nonsense, and tries again", async () => {
    let connections = 0;
    const babbling = createServer((socket) => {
      connections++;
      socket.on("error", () => undefined);
      socket.write("abc#|||\r\n5#|||\r\n20#x|nonsense|y|z\r\n....");
    }).listen(0, "127.0.0.1");
    await once(babbling, "listening");
    const { port } = babbling.address() as { port: number };
    const edge = new Edge({
      drachtio: { host: "127.0.0.1", port, secret: "s" },
      ...{ trunks: () => [], boxes: [], store: world.store, clock: systemClock, ids: systemIds(systemClock) },
      log: pino({ level: "silent" }),
    });
    edge.start();
    await eventually("three attempts", () => connections >= 3 || undefined);
    assert.equal(edge.connected, false);
    await edge.stop();
    babbling.close();
  });
});
