import assert from "node:assert/strict";
import type { LegId } from "../../engine/ids.ts";
import { ChannelNames } from "../../engine/switch/channel-names.ts";
import { dialString } from "../../engine/switch/dial-string.ts";
import type { Branch, Originate } from "../../engine/switch/switch.ts";
import { startSwitchUnderTest, type SwitchUnderTest } from "../peers/switch-under-test.ts";
import { EslClient } from "../simulator/switch/esl-client.ts";
import { FarEnd, sdp } from "./far-end.ts";
import { describeContract } from "./report.ts";
import { ids } from "./world.ts";

const host = FarEnd.host;
/** A satellite phone, for which somebody else would be paid. */
const premium = "+881600000000";

describeContract("the contract of the switch: a far end cannot send our leg elsewhere", function () {
  this.timeout(60_000);
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
      way: { kind: "trunk", gateway: "carrier", to: "+254722000001" },
      callerId: "+254711000001",
      ringTimeoutSeconds: 5,
      maxSeconds: 10,
      cutGroup: `cut-${leg}-0`,
    };
    const request: Originate = { then: { kind: "park" }, ignoreEarlyMedia: true, branches: [branch] };
    return client.api(`originate ${dialString(request, () => "", new ChannelNames())}`);
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
    const answer = await far.refer(`sip:${premium}@${host}:${elsewhere.port}`);
    assert.match(answer, /^SIP\/2.0 (403|405|501|603) /);
    assert.match(await client.api(`uuid_kill ${leg}`), /^\+OK/);
    await client.event("CHANNEL_HANGUP_COMPLETE", leg);
    assert.equal(elsewhere.invites, 0);
  });
});
