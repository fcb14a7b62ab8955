import assert from "node:assert/strict";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { switchApis, switchApplications } from "../../engine/switch/commands.ts";
import { freePort } from "../peers/free-ports.ts";
import { startFreeSwitch, startRealSwitch } from "../peers/real-switch.ts";
import { switchKind, switchMissing, type SwitchUnderTest } from "../peers/switch-under-test.ts";
import { eventually } from "../peers/waiting.ts";
import { EslClient } from "../simulator/switch/esl-client.ts";
import { reportResults } from "./report.ts";

const configurationWith = (...more: string[]) =>
  ["freeswitch.xml", "devices.xml", ...more]
    .map((name) => readFileSync(new URL(`../../freeswitch-conf/${name}`, import.meta.url), "utf8"))
    .join("\n");
const configuration = configurationWith();
const readme = readFileSync(new URL("../../freeswitch-conf/README.md", import.meta.url), "utf8");
const matches = (pattern: RegExp) => [...configuration.matchAll(pattern)].map(([, found]) => found!);

describe("freeswitch-conf", () => {
  it("allows the interfaces that the engine's table and its own dialplan use, and no other", () => {
    const dialplan = matches(/<action application="(\w+)"/g);
    const applications = [...new Set([...switchApplications, ...dialplan])];
    assert.deepEqual(
      matches(/<allow name="([\w.]+)"/g).toSorted(),
      [
        ...switchApis.map(
          (name) =>
            `${{ conference: "mod_conference", sofia: "mod_sofia" }[name as string] ?? "mod_commands"}.${name}.api`,
        ),
        ...applications.map(
          (name) => `${name === "conference" ? "mod_conference" : "mod_dptools"}.${name}.app`,
        ),
      ].toSorted(),
    );
  });

  it("documents each environment variable that it reads", () => {
    for (const name of matches(/cmd="env-set" data="\w+=\$(\w+)"/g)) {
      assert.match(readme, new RegExp(`\`${name}\``), name);
    }
  });

  it("lets the SIP of every profile be traced", () => {
    const profiles = configurationWith("trunks.xml")
      .split("<profile name=")
      .filter((profile) => profile.includes('name="sip-ip"'));
    assert.deepEqual(profiles.map((profile) => /^"(\w+)"/.exec(profile)?.[1]).toSorted(), [
      "devices",
      "edge",
      "trunks",
    ]);
    for (const profile of profiles)
      assert.match(profile, /<param name="sip-capture" value="\$\$\{sip_trace\}"\/>/);
  });

  it("loads no module that opens another door", () => {
    const modules = matches(/<load module="(\w+)"/g);
    assert.deepEqual(
      modules.filter((name) =>
        /sms|verto|rtmp|xml_rpc|msrp|python|lua|v8|perl|curl|loopback|system/.test(name),
      ),
      [],
    );
  });
});

const real =
  switchKind !== "freeswitch" ? "SAUTIKIT_SWITCH=freeswitch is not set" : (switchMissing ?? undefined);

(real === undefined ? describe : describe.skip)(
  `freeswitch-conf in a real FreeSWITCH${real === undefined ? "" : ` (skipped, ${real})`}`,
  function () {
    this.timeout(60_000);
    let box: SwitchUnderTest;
    before(async () => {
      box = await startRealSwitch({ carrier: { host: "127.0.0.1", port: await freePort() } });
    });
    after(() => box.stop());
    reportResults();

    it("listens on the event socket and on SIP over UDP, on the addresses given, and nowhere else", () => {
      assert.deepEqual(listeningSockets(box.child.pid).toSorted(), [
        `tcp 127.0.0.1:${box.esl.port}`,
        `udp 127.0.0.1:${box.sip.port}`,
      ]);
    });

    for (const [method, answer] of [
      ["INVITE", /^SIP\/2.0 403 /],
      ["MESSAGE", /^SIP\/2.0 (401|403|407) /],
      ["SUBSCRIBE", /^SIP\/2.0 (401|403|405|407) /],
      ["REGISTER", /^SIP\/2.0 (401|403|405|501) /],
      ["REFER", /^SIP\/2.0 (401|403|405|481|501|603) /],
    ] as const) {
      it(`refuses a stranger's ${method}`, async () => {
        assert.match(await ask(box, "127.0.0.2", method), answer);
      });
    }

    it("takes an INVITE from the carrier's address, and leaves it unanswered", async () => {
      assert.match(await ask(box, "127.0.0.1", "INVITE"), /^SIP\/2.0 100 /);
    });

    it("leaves a caller unanswered who says NOTIFY of `talk` in its own dialog", async () => {
      const socket = createSocket("udp4").bind(0, "127.0.0.1");
      await once(socket, "listening");
      const own = `127.0.0.1:${socket.address().port}`;
      const answers: string[] = [];
      socket.on("message", (bytes: Buffer) => answers.push(bytes.toString()));
      const say = (method: string, sequence: number, more: string[] = []) => {
        send(socket, box.sip, [
          `${method} sip:+254711000001@${box.sip.host}:${box.sip.port} SIP/2.0`,
          `Via: SIP/2.0/UDP ${own};branch=z9hG4bK-talk-${method}-${own}`,
          "Max-Forwards: 70",
          `From: <sip:mallory@${own}>;tag=talk`,
          `To: <sip:+254711000001@${box.sip.host}:${box.sip.port}>`,
          `Call-ID: talk-${own}`,
          `CSeq: ${sequence} ${method}`,
          `Contact: <sip:mallory@${own}>`,
          ...more,
        ]);
      };
      say("INVITE", 1);
      await eventually("100", () => answers.some((text) => text.startsWith("SIP/2.0 100")) || undefined);
      await sleep(500);
      say("NOTIFY", 2, ["Event: talk", "Subscription-State: active"]);
      await eventually("an answer", () => answers.some((text) => / NOTIFY\r/.test(text)) || undefined);
      await sleep(500);
      socket.close();
      assert.deepEqual(
        answers.filter((text) => /^SIP\/2.0 2.*^CSeq: 1 INVITE/ms.test(text)),
        [],
      );
    });

    describe("that serves customers' devices", () => {
      let open: SwitchUnderTest;
      before(async () => {
        open = await startRealSwitch({
          carrier: { host: "127.0.0.1", port: await freePort() },
          devices: true,
        });
      });
      after(() => open.stop());

      it("listens to them by UDP and TCP on the port given, and nowhere else besides", () => {
        assert.deepEqual(
          listeningSockets(open.child.pid).toSorted(),
          [
            `tcp 127.0.0.1:${open.esl.port}`,
            `tcp 127.0.0.1:${open.devices?.port}`,
            `udp 127.0.0.1:${open.devices?.port}`,
            `udp 127.0.0.1:${open.sip.port}`,
          ].toSorted(),
        );
      });

      for (const [method, answer] of [
        ["INVITE", /^SIP\/2.0 407 /],
        ["REGISTER", /^SIP\/2.0 401 /],
        ["SUBSCRIBE", /^SIP\/2.0 405 /],
        ["PUBLISH", /^SIP\/2.0 405 /],
        ["REFER", /^SIP\/2.0 405 /],
        ["OPTIONS", /^SIP\/2.0 200 /],
      ] as const) {
        it(`answers a stranger's ${method} with ${answer.source.slice(-4, -1)}`, async () => {
          assert.match(await ask(open, "127.0.0.2", method, open.devices!), answer);
        });
      }

      it("says 202 to a MESSAGE, to whichever protocol it is addressed, and calls no api", async () => {
        const client = await EslClient.login(open.esl.port, open.esl.password, "API MESSAGE RECV_MESSAGE");
        const uri = "sip:api+status@127.0.0.1";
        assert.match(await ask(open, "127.0.0.2", "MESSAGE", open.devices!, uri), /^SIP\/2.0 202 /);
        await client.api("version");
        await eventually("an API event", () => client.events.length > 0 || undefined);
        const seen = client.events.map((event) => event["API-Command"] ?? event["Event-Name"]);
        assert.deepEqual(seen, ["version"]);
        client.close();
      });

      it("reloads, and goes on, whatever the file of credentials is, or none", async () => {
        const file = join(open.spoolDir, "directory", "credentials.xml");
        const client = await EslClient.login(open.esl.port, open.esl.password, "API");
        for (const text of [undefined, "", "<user id=", "<user></domain>\n", "<!--end-->\n"]) {
          if (text !== undefined) writeFileSync(file, text);
          assert.match(await client.api("reloadxml"), /^\+OK/, String(text));
        }
        rmSync(join(open.spoolDir, "directory"), { recursive: true });
        assert.match(await client.api("reloadxml"), /^\+OK/);
        assert.match(await ask(open, "127.0.0.2", "REGISTER", open.devices!), /^SIP\/2.0 401 /);
        client.close();
      });
    });

    it("starts with a file of credentials that was not written to its end", async () => {
      const spoolDir = mkdtempSync(join(tmpdir(), "spool-"));
      mkdirSync(join(spoolDir, "directory"));
      writeFileSync(join(spoolDir, "directory", "credentials.xml"), '<user id="a1"><params>');
      const carrier = { host: "127.0.0.1", port: await freePort() };
      const torn = await startRealSwitch({ carrier, devices: true, spoolDir });
      await torn.stop();
      rmSync(spoolDir, { recursive: true });
    });

    for (const env of [
      { DEVICES_HOST: "127.0.0.1" },
      { DEVICES_HOST: "localhost", SIP_DOMAIN: "sip.example.test" },
    ]) {
      it(`does not start with ${JSON.stringify(env)} alone`, async () => {
        const folder = mkdtempSync(join(tmpdir(), "freeswitch-refused-"));
        const child = startFreeSwitch(folder, {
          ...{ ESL_PORT: String(await freePort()), ESL_PASSWORD: "wanjiru-calls-otieno" },
          ...{ SIP_PORT: String(await freePort()), CARRIER_HOST: "127.0.0.1", SPOOL_DIR: folder, ...env },
        });
        const { code, signal } = await child.exited();
        assert.equal(code ?? signal, "SIGABRT");
        assert.match(child.output(), /DEVICES_HOST-is-no-IPv4-address-or-SIP_DOMAIN-is-empty/);
        rmSync(folder, { recursive: true, force: true });
      });
    }

    for (const password of ["", "ClueCon", 'a"b', "a b"]) {
      it(`does not start with the event socket's password ${JSON.stringify(password)}`, async () => {
        const folder = mkdtempSync(join(tmpdir(), "freeswitch-refused-"));
        const eslPort = await freePort();
        const child = startFreeSwitch(folder, {
          ESL_PORT: String(eslPort),
          ESL_PASSWORD: password,
          SIP_PORT: String(await freePort()),
          CARRIER_HOST: "127.0.0.1",
          SPOOL_DIR: folder,
        });
        const { code, signal } = await child.exited();
        assert.equal(code ?? signal, "SIGABRT");
        assert.match(child.output(), /^ESL_PASSWORD-is-empty-or-the-default/);
        rmSync(folder, { recursive: true, force: true });
      });
    }
  },
);

/** `tcp 127.0.0.1:8021`, … of one process, as Linux tells it. */
function listeningSockets(pid: number): string[] {
  const inodes = readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    // The folder was read a moment ago: some are closed by now.
    const target = attempt(() => readlinkSync(`/proc/${pid}/fd/${fd}`));
    return /^socket:\[(\d+)\]$/.exec(target ?? "")?.[1] ?? [];
  });
  return ["tcp", "tcp6", "udp", "udp6"].flatMap((protocol) =>
    readFileSync(`/proc/net/${protocol}`, "utf8")
      .split("\n")
      .map((line) => line.trim().split(/\s+/))
      .filter(([, , remote, state, , , , , , inode]) => {
        const listens = protocol.startsWith("tcp") ? state === "0A" : /:0000$/.test(remote ?? "");
        return listens && inodes.includes(inode ?? "");
      })
      .map(([, local]) => `${protocol} ${address(local!)}`),
  );
}

/** `0100007F:1F55` is 127.0.0.1:8021. */
function address(hex: string): string {
  const [host = "", port = ""] = hex.split(":");
  return `${[...Buffer.from(host, "hex").reverse()].join(".")}:${parseInt(port, 16)}`;
}

function attempt<T>(get: () => T): T | undefined {
  try {
    return get();
  } catch {
    return undefined;
  }
}

/** The first answer to one request. */
async function ask(
  box: SwitchUnderTest,
  from: string,
  method: string,
  to: { host: string; port: number } = box.sip,
  uri = `sip:+254711000001@${to.host}:${to.port}`,
): Promise<string> {
  const socket = createSocket("udp4");
  socket.bind(0, from);
  await once(socket, "listening");
  const own = `${from}:${socket.address().port}`;
  const answered = once(socket, "message", { signal: AbortSignal.timeout(5000) }) as Promise<[Buffer]>;
  send(socket, to, [
    `${method} ${uri} SIP/2.0`,
    `Via: SIP/2.0/UDP ${own};branch=z9hG4bK-${method}-${from}`,
    "Max-Forwards: 70",
    `From: <sip:mallory@${own}>;tag=1`,
    `To: <${uri}>`,
    `Call-ID: ${method}-${own}`,
    `CSeq: 1 ${method}`,
    `Contact: <sip:mallory@${own}>`,
    ...(method === "SUBSCRIBE" || method === "PUBLISH" ? ["Event: presence"] : []),
    ...(method === "REFER" ? ["Refer-To: <sip:+881600000000@127.0.0.1>"] : []),
  ]);
  const [answer] = await answered;
  socket.close();
  return answer.toString();
}

function send(socket: Socket, to: { host: string; port: number }, head: string[]): void {
  const invite = head[0]!.startsWith("INVITE");
  const body = invite
    ? "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n"
    : "";
  const lines = [
    ...head,
    ...(invite ? ["Content-Type: application/sdp"] : []),
    `Content-Length: ${body.length}`,
  ];
  socket.send(`${lines.join("\r\n")}\r\n\r\n${body}`, to.port, to.host);
}
