import assert from "node:assert/strict";
import fc from "fast-check";
import { readDial } from "../../engine/simulator/switch/dial.ts";
import { ChannelNames } from "../../engine/switch/channel-names.ts";
import { deviceContact, deviceEvent, encryptedFor, registrationsIn } from "../../engine/switch/devices.ts";
import { dialString } from "../../engine/switch/dial-string.ts";
import type { Branch, DeviceContact, DeviceTransport } from "../../engine/switch/switch.ts";
import { ids } from "./peers.ts";

const source = { host: "197.248.10.7", port: 49_152 };
const path = ";fs_nat=yes;fs_path=sip%3A197.248.10.7%3A49152";

describe("A device's contact", () => {
  const taken: [what: string, contact: string, transport: DeviceTransport, dialled: string][] = [
    [
      "behind NAT, as FreeSWITCH keeps it",
      "sip:wanjiru@192.168.1.20:5060;fs_nat=yes;fs_path=sip%3Awanjiru%40197.248.10.7%3A49152",
      "udp",
      `sofia/devices/sip:wanjiru@192.168.1.20:5060${path}`,
    ],
    [
      "over TCP, with parameters of its own",
      "sip:wanjiru-0x55d1@10.0.0.2:5060;transport=tcp;ob;rinstance=8ce1f;fs_nat=yes;fs_path=sip%3Ax",
      "tcp",
      `sofia/devices/sip:wanjiru-0x55d1@10.0.0.2:5060;transport=tcp;ob;rinstance=8ce1f${path}%3Btransport%3Dtcp`,
    ],
    [
      "of a browser",
      "sip:v6k2cb0q@df7jal23ls0d.invalid;transport=ws;fs_nat=yes;fs_path=sip%3Ax",
      "wss",
      `sofia/devices/sip:v6k2cb0q@df7jal23ls0d.invalid;transport=ws${path}%3Btransport%3Dwss`,
    ],
  ];
  for (const [what, contact, transport, dialled] of taken) {
    it(`${what} is dialled by its own name, where its REGISTER came from`, () => {
      assert.equal(deviceContact(contact, source, transport), dialled);
    });
  }

  it("cannot name another place to send the call to, by a path or as if the switch had", () => {
    const elsewhere = "sip%3A127.0.0.1%3A8021";
    for (const contact of [
      `sip:wanjiru@192.168.1.20;fs_nat=yes;fs_path=${elsewhere}`,
      `sip:wanjiru@192.168.1.20;fs_path=${elsewhere};fs_nat=yes;fs_path=sip%3Awanjiru%40197.248.10.7`,
      `sip:wanjiru@192.168.1.20;FS_PATH=${elsewhere}`,
      `sip:wanjiru@192.168.1.20;received=127.0.0.1:8021;fs_nat=yes`,
    ]) {
      assert.equal(deviceContact(contact, source, "udp"), `sofia/devices/sip:wanjiru@192.168.1.20${path}`);
    }
    assert.equal(deviceContact("sip:wanjiru@192.168.1.20;maddr=127.0.0.1", source, "udp"), null);
  });

  it("that is not plainly safe to dial is refused", () => {
    for (const uri of [
      ...[
        "",
        "sip:",
        "sip:@h",
        "sip:h",
        "tel:+254722000001",
        "sip:(null)@h",
        "sip:u@[::1]:5060",
        "sip:u@h:123456",
      ],
      ...[
        "sip:a,b@h",
        "sip:a|b@h",
        "sip:a]b@h",
        "sip:a}b@h",
        "sip:a b@h",
        "sip:a'b@h",
        "sip:a\\b@h",
        'sip:a"b@h',
      ],
      ...[
        "sip:a^b@h",
        "sip:${uuid}@h",
        "sip:a:_:b@h",
        "sip:a&b@h",
        "sip:u@h?X-Evil=1",
        "sip:u@h;x=a,b",
        "sip:u@h\n",
      ],
      ...[
        "sip:u@h;method=REFER",
        "sip:%@h",
        "sip:u@h;x=%zz",
        `sip:${"u".repeat(500)}@h`,
        "sip:u@h>,<sip:v@h",
      ],
    ]) {
      assert.equal(deviceContact(uri, source, "udp"), null, uri);
    }
    for (const host of ["", "::1", "example.com", "127.0.0.1 ", "1.2.3.4;x=y"]) {
      assert.equal(deviceContact("sip:u@h", { host, port: 5060 }, "udp"), null, host);
    }
    for (const port of [0, -1, 65_536, 1.5, Number.NaN]) {
      assert.equal(deviceContact("sip:u@h", { host: "127.0.0.1", port }, "udp"), null);
    }
  });

  const leg = ids.next("leg");
  const branch = (contact: DeviceContact, encrypted?: "only"): Branch => ({
    ...{ leg, call: ids.next("call"), callerId: "+254711000001" },
    way: { kind: "device", contact, ...(encrypted && { encrypted }) },
    ...{ ringTimeoutSeconds: 30, maxSeconds: 600, cutGroup: `cut-${leg}-0` },
  });
  const dial = (contact: DeviceContact, encrypted?: "only") =>
    dialString(
      { then: { kind: "park" }, ignoreEarlyMedia: true, branches: [branch(contact, encrypted)] },
      () => "",
      new ChannelNames(),
    );
  const piece = fc.oneof(
    fc.constantFrom(
      ..."sip: sips: @ ; = , | ^ $ { } [ ] < > ( ) & ' \" \\ % %2C ~ ! * ? : :_: / . - + \n \r \t".split(" "),
    ),
    fc.constantFrom(
      " ",
      "wanjiru",
      "192.168.1.20",
      ":5060",
      ";transport=tcp",
      ";fs_path=",
      ";fs_nat=yes",
      ";ob",
      "maddr",
    ),
    fc.string({ unit: "binary", maxLength: 8 }),
  );
  const contact = fc.oneof(
    fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join("")),
    fc.array(piece, { maxLength: 4 }).map((pieces) => `sip:wanjiru@192.168.1.20${pieces.join("")}`),
    fc.array(piece, { maxLength: 4 }).map((pieces) => `sip:wan${pieces.join("")}@192.168.1.20`),
  );

  it("is refused, or dialled as one branch to exactly that", () => {
    let dialled = 0;
    fc.assert(
      fc.property(contact, (text) => {
        const made = deviceContact(text, source, "udp");
        if (made === null) return;
        dialled++;
        const read = readDial(dial(made));
        assert.ok(read !== null && read !== "broken");
        assert.equal(read.branches.length, 1);
        assert.deepEqual([read.branches[0]!.destination, read.application?.name], [made, "park"]);
        assert.equal(read.branches[0]!.variables.size, 17);
        assert.equal(made, `sofia/devices/${text.split(/;(?:fs_|received)/i, 1)[0]}${path}`);
      }),
      { numRuns: 5_000 },
    );
    assert.ok(dialled > 100, String(dialled));
  });

  it("is rung with what a device needs: found out when it vanishes, encrypted sound offered over TLS alone", () => {
    const [udp, tls] = (["udp", "tls"] as const).map((transport) =>
      dial(deviceContact("sip:u@h", source, transport)!),
    );
    assert.match(udp!, /,media_timeout=300000[,\]]/);
    assert.doesNotMatch(udp!, /rtp_secure_media/);
    assert.match(tls!, /,rtp_secure_media=optional\]/);
  });

  it("that answers 488 to encrypted and plain sound side by side, as Linphone does, is offered one: encrypted over TLS", () => {
    for (const [agent, transport, offered] of [
      ["Linphonec/5.1.65", "tls", "mandatory"],
      ["LinphoneAndroid/5.2.5 (Pixel) LinphoneSDK/5.3.72", "tls", "mandatory"],
      ["baresip v1.0.0 (x86_64/linux)", "tls", "optional"],
      ["not Linphone", "tls", "optional"],
      ["Linphonec/5.1.65", "tcp", undefined],
    ] as const) {
      const said = dial(deviceContact("sip:u@h", source, transport)!, encryptedFor(agent));
      assert.equal(/rtp_secure_media=([a-z]+)/.exec(said)?.[1], offered, agent);
    }
  });

  it("that nobody checked is in no dial string", () => {
    for (const text of [
      "sofia/devices/sip:u@h",
      "sofia/edge/sip:u@h;fs_nat=yes;fs_path=sip%3A127.0.0.1%3A5060",
      "x",
    ]) {
      assert.throws(() => dial(text as DeviceContact), RangeError);
    }
  });
});

describe("The list of registrations", () => {
  const row = (more: Record<string, string> = {}) => {
    const fields = {
      "call-id": "8e13@192.168.1.20",
      user: "a1b2c3@sip.example.test",
      contact:
        "&quot;Wanjiru&quot; &lt;sip:a1b2c3@192.168.1.20:5060;fs_nat=yes;fs_path=sip%3Aa1b2c3%40197.248.10.7%3A49152&gt;",
      agent: "Yealink &amp; co",
      status: "Registered(UDP-NAT)(unknown) exp(2026-11-29 12:00:00) expsecs(90)",
      ...{ "ping-status": "Reachable", "ping-time": "0.00", host: "box", "network-ip": source.host },
      ...{
        "network-port": String(source.port),
        "sip-auth-user": "a1b2c3",
        "sip-auth-realm": "sip.example.test",
      },
      ...{ "mwi-account": "a1b2c3@sip.example.test", ...more },
    };
    const lines = Object.entries(fields).map(([name, value]) => `        <${name}>${value}</${name}>\n`);
    return `    <registration>\n${lines.join("")}    </registration>\n`;
  };
  const reply = (...rows: string[]) =>
    `<?xml version="1.0" encoding="ISO-8859-1"?>\n<profile>\n  <registrations>\n${rows.join("")}  </registrations>\n</profile>\n`;
  const nowMs = 1_795_557_600_000;

  it("says who is where, until when, and how they are dialled", () => {
    assert.deepEqual(registrationsIn(reply(row()), nowMs), [
      {
        username: "a1b2c3",
        contact: `sofia/devices/sip:a1b2c3@192.168.1.20:5060${path}`,
        contactUri: "sip:a1b2c3@192.168.1.20:5060",
        ...{ transport: "udp", source, userAgent: "Yealink & co" },
        ...{ expiresAtMs: nowMs + 90_000, callId: "8e13@192.168.1.20" },
      },
    ]);
  });

  it("is empty where nobody is there, or the box has no devices; anything else is no list", () => {
    assert.deepEqual(registrationsIn(reply(), nowMs), []);
    assert.deepEqual(registrationsIn("Invalid Profile!\n", nowMs), []);
    assert.equal(registrationsIn("-ERR sofia Command not found!\n", nowMs), undefined);
  });

  it("knows the transport by the Contact, and a WebSocket by what the switch saw", () => {
    const of = (params: string, status: string) =>
      registrationsIn(
        reply(
          row({
            contact: `&lt;sip:u@h${params};fs_nat=yes&gt;`,
            status: `Registered(${status})(x) exp(x) expsecs(1)`,
          }),
        ),
        nowMs,
      )?.[0]?.transport;
    assert.equal(of(";transport=tcp", "TCP-NAT"), "tcp");
    assert.equal(of(";transport=TLS", "TLS-NAT"), "tls");
    assert.equal(of(";transport=ws", "WSS-NAT"), "wss");
    assert.equal(of(";transport=ws", "WS-NAT"), "ws");
    assert.equal(of(";transport=wss", "TLS-NAT"), "wss");
    assert.equal(of("", "UDP-NAT"), "udp");
  });

  it("is not added to by a device's Call-ID, user agent or Contact", () => {
    const victim = row({ user: "victim@sip.example.test" });
    const forged = victim.replaceAll("\n", "").replaceAll(/ {4,}/g, "");
    for (const name of ["call-id", "agent", "contact", "mwi-account"]) {
      const found = registrationsIn(reply(row({ [name]: `x</${name}></registration>${forged}<a>` })), nowMs);
      assert.ok(
        (found ?? []).every(({ username }) => username === "a1b2c3"),
        name,
      );
    }
  });

  it("says nothing of what is no credential of ours", () => {
    for (const more of [
      { user: "A1B2@h" },
      { user: "!a1b2@h" },
      { user: "" },
      { "network-port": "x" },
      { status: "Registered(UDP)" },
    ]) {
      assert.deepEqual(registrationsIn(reply(row(more)), nowMs), []);
    }
  });
});

describe("An event of a device", () => {
  const nowMs = 1_795_557_600_000;
  const event = (fields: Record<string, string>) => deviceEvent("nairobi-1", (name) => fields[name], nowMs);
  const register = {
    ...{ "Event-Subclass": "sofia::register", "profile-name": "devices" },
    ...{ "from-user": "a1b2c3", username: "A1B2C3", "call-id": "8e13@192.168.1.20", expires: "300" },
    contact:
      '"Wanjiru" <sip:a1b2c3@192.168.1.20:5060;fs_nat=yes;fs_path=sip%3Aa1b2c3%40197.248.10.7%3A49152>',
    ...{ status: "Registered(UDP-NAT)", "user-agent": "Yealink & co" },
    ...{ "network-ip": source.host, "network-port": String(source.port) },
  };
  const gone = { ...register, "Event-Subclass": "sofia::unregister", expires: "0" };

  it("that a device came has all that the list has of it", () => {
    assert.deepEqual(event(register), {
      ...{ kind: "registered", box: "nairobi-1" },
      registration: {
        username: "a1b2c3",
        contact: `sofia/devices/sip:a1b2c3@192.168.1.20:5060${path}`,
        contactUri: "sip:a1b2c3@192.168.1.20:5060",
        ...{ transport: "udp", source, userAgent: "Yealink & co" },
        // As the switch keeps it: some seconds longer than the device was told.
        ...{ expiresAtMs: nowMs + 305_000, callId: "8e13@192.168.1.20" },
      },
    });
  });

  it("says who was refused, and from where: an address alone where the name is none", () => {
    const attempt = {
      ...{ "Event-Subclass": "sofia::register_attempt", "profile-name": "devices" },
      ...{ "network-ip": "203.0.113.7", username: "A1B2C3", "auth-result": "FORBIDDEN" },
    };
    const of = { kind: "loginFailed", box: "nairobi-1", address: "203.0.113.7" };
    assert.deepEqual(event(attempt), { ...of, username: "a1b2c3" });
    assert.deepEqual(event({ ...attempt, username: "'; DROP" }), { ...of, username: null });
    for (const more of [
      { "auth-result": "SUCCESS" },
      { "auth-result": "STALE" },
      { "network-ip": "203.0.113.7; drop" },
      { "network-ip": "2001:db8::1" },
      { "profile-name": "edge" },
    ])
      assert.equal(event({ ...attempt, ...more }), undefined);
  });

  it("that one went names the binding, but for a socket that was closed", () => {
    const of = { kind: "unregistered", box: "nairobi-1", username: "a1b2c3" } as const;
    assert.deepEqual(event(gone), { ...of, callId: "8e13@192.168.1.20" });
    const expired = {
      ...{ "Event-Subclass": "sofia::expire", "profile-name": "devices", user: "a1b2c3", username: "a1b2c3" },
      "call-id": "8e13@192.168.1.20",
    };
    assert.deepEqual(event(expired), { ...of, callId: "8e13@192.168.1.20" });
    assert.deepEqual(event({ ...gone, reason: "socket-disconnection" }), { ...of, callId: null });
  });

  it("of another profile, another kind, no credential or no place says nothing", () => {
    assert.equal(event({ ...register, "profile-name": "edge" }), undefined);
    assert.equal(event({ ...register, "Event-Subclass": "sofia::gateway_state" }), undefined);
    assert.equal(event({ ...register, "from-user": "!x" }), undefined);
    assert.equal(event({ ...register, "network-port": "0" }), undefined);
    assert.equal(event({ ...register, expires: "soon" }), undefined);
  });
});
