import assert from "node:assert/strict";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import type { LegId } from "../../engine/ids.ts";
import { dialString } from "../../engine/switch/dial-string.ts";
import type { Branch, Originate } from "../../engine/switch/switch.ts";
import { startSwitchUnderTest, type SwitchUnderTest } from "../peers/switch-under-test.ts";
import { eventually } from "../peers/waiting.ts";
import { EslClient } from "../simulator/switch/esl-client.ts";
import { describeContract } from "./report.ts";
import { ids } from "./world.ts";

const host = "127.0.0.1";
/** A satellite phone, for which somebody else would be paid. */
const premium = "+881600000000";

describeContract("the contract of the switch: a far end cannot send our leg elsewhere", function () {
  this.timeout(30_000);
  let far: FarEnd;
  let elsewhere: FarEnd;
  let box: SwitchUnderTest;
  let client: EslClient;
  before(async () => {
    far = await FarEnd.open();
    elsewhere = await FarEnd.open();
    box = await startSwitchUnderTest({ carrier: { host, port: far.port } });
    client = await EslClient.login(box.esl.port, box.esl.password, "CHANNEL_HANGUP_COMPLETE");
  });
  after(async () => {
    client.close();
    await box.stop();
    far.close();
    elsewhere.close();
  });

  const originate = (leg: LegId) => {
    const branch: Branch = {
      leg,
      call: ids.next("call"),
      gateway: "carrier",
      to: "+254722000001",
      callerId: "+254711000001",
      ringTimeoutSeconds: 5,
      maxSeconds: 10,
      cutGroup: `cut-${leg}-0`,
    };
    const request: Originate = { then: { kind: "park" }, ignoreEarlyMedia: true, branches: [branch] };
    return client.api(`originate ${dialString(request, () => "")}`);
  };

  it("not by a redirect (302)", async () => {
    far.onInvite = (invite) =>
      far.answer(invite, "302 Moved Temporarily", [`Contact: <sip:${premium}@${host}:${elsewhere.port}>`]);
    const leg = ids.next("leg");
    assert.equal(await originate(leg), "-ERR REQUESTED_CHAN_UNAVAIL\n");
    await client.event("CHANNEL_HANGUP_COMPLETE", leg);
    assert.deepEqual([far.invites, elsewhere.invites], [1, 0]);
    assert.deepEqual(far.users, ["+254722000001"]);
  });

  it("not by a transfer (REFER) in the call", async () => {
    far.onInvite = (invite) =>
      far.answer(invite, "200 OK", [`Contact: <sip:otieno@${host}:${far.port}>`], sdp);
    const leg = ids.next("leg");
    assert.match(await originate(leg), /^\+OK/);
    const answer = await far.refer(box, `sip:${premium}@${host}:${elsewhere.port}`);
    assert.match(answer, /^SIP\/2.0 (403|405|501|603) /);
    assert.match(await client.api(`uuid_kill ${leg}`), /^\+OK/);
    await client.event("CHANNEL_HANGUP_COMPLETE", leg);
    assert.equal(elsewhere.invites, 0);
  });
});

const sdp = [
  ...["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "c=IN IP4 127.0.0.1", "t=0 0"],
  ...["m=audio 40000 RTP/AVP 0", ""],
].join("\r\n");

/** A SIP peer that speaks no more than these tests want. */
class FarEnd {
  onInvite: (invite: string) => void = () => undefined;
  readonly #socket: Socket;
  readonly #calls = new Map<string, string>();
  #dialog = "";
  #referred: string | undefined;

  static async open(): Promise<FarEnd> {
    const socket = createSocket("udp4").bind(0, host);
    await once(socket, "listening");
    return new FarEnd(socket);
  }

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("message", (bytes) => {
      const message = bytes.toString();
      if (message.startsWith("INVITE ")) {
        this.#dialog = message;
        const seen = this.#calls.has(header(message, "Call-ID"));
        this.#calls.set(header(message, "Call-ID"), /^INVITE sip:([^@]+)/.exec(message)?.[1] ?? "");
        if (!seen) this.onInvite(message);
      }
      if (message.startsWith("BYE ")) this.answer(message, "200 OK");
      if (/^SIP\/2.0 [2-6]/.test(message) && / REFER\r\n/.test(message)) this.#referred ??= message;
    });
  }

  get port(): number {
    return this.#socket.address().port;
  }

  /** Whom the calls that reached it were for. */
  get users(): string[] {
    return [...this.#calls.values()];
  }

  /** How many calls reached it. */
  get invites(): number {
    return this.#calls.size;
  }

  answer(request: string, status: string, headers: string[] = [], body = ""): void {
    const to = header(request, "To");
    const lines = [
      `SIP/2.0 ${status}`,
      ...["Via", "From", "Call-ID", "CSeq"].map((name) => `${name}: ${header(request, name)}`),
      `To: ${to.includes("tag=") ? to : `${to};tag=far`}`,
      ...headers,
      ...(body === "" ? [] : ["Content-Type: application/sdp"]),
      `Content-Length: ${body.length}`,
    ];
    this.#send(`${lines.join("\r\n")}\r\n\r\n${body}`, viaPort(request));
  }

  /** Within the dialog of the last INVITE; resolves to the final answer. */
  refer(box: SwitchUnderTest, target: string): Promise<string> {
    const contact = /<(sip:[^>]+)>/.exec(header(this.#dialog, "Contact"))?.[1] ?? "";
    const lines = [
      `REFER ${contact} SIP/2.0`,
      `Via: SIP/2.0/UDP ${host}:${this.port};branch=z9hG4bK-refer`,
      "Max-Forwards: 70",
      `From: ${header(this.#dialog, "To")};tag=far`,
      `To: ${header(this.#dialog, "From")}`,
      `Call-ID: ${header(this.#dialog, "Call-ID")}`,
      "CSeq: 1 REFER",
      `Contact: <sip:otieno@${host}:${this.port}>`,
      `Refer-To: <${target}>`,
      "Content-Length: 0",
    ];
    this.#send(`${lines.join("\r\n")}\r\n\r\n`, box.sip.port);
    return eventually("the answer to REFER", () => this.#referred);
  }

  close(): void {
    this.#socket.close();
  }

  #send(text: string, port: number): void {
    this.#socket.send(text, port, host);
  }
}

const header = (message: string, name: string): string =>
  new RegExp(`^${name}: *(.*)\\r$`, "im").exec(message)?.[1] ?? "";

const viaPort = (request: string): number => Number(/:(\d+)/.exec(header(request, "Via"))?.[1] ?? 5060);
