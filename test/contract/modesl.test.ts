import assert from "node:assert/strict";
import { once } from "node:events";
import esl from "modesl";
import { startCarrierProcess, type CarrierProcess } from "../peers/carrier-process.ts";
import { startSwitchUnderTest, type SwitchUnderTest } from "../peers/switch-under-test.ts";
import { eventually } from "../peers/waiting.ts";
import { describeContract } from "./report.ts";
import { ids, numbers } from "./world.ts";

type Client = InstanceType<typeof esl.Connection>;
type Reply = Parameters<Parameters<Client["api"]>[1]>[0];

describeContract("the contract of the switch: an independent client understands it", function () {
  this.timeout(30_000);
  let carrier: CarrierProcess;
  let box: SwitchUnderTest;
  let client: Client;
  before(async () => {
    carrier = await startCarrierProcess();
    box = await startSwitchUnderTest({ carrier });
  });
  after(async () => {
    await box.stop();
    await carrier.stop();
  });
  beforeEach(async () => {
    await new Promise<void>((resolve) => {
      client = new esl.Connection(box.esl.host, box.esl.port, box.esl.password, resolve);
    });
  });
  afterEach(() => client.disconnect());

  const api = (command: string) =>
    new Promise<string>((resolve) => client.api(command, (reply) => resolve(reply.getBody())));
  const bgapi = (command: string) =>
    new Promise<string>((resolve) => client.bgapi(command, (reply) => resolve(reply.getBody())));

  it("lets nobody in with a wrong password, and hangs up", async () => {
    const refused = new esl.Connection(
      box.esl.host,
      box.esl.port,
      "not-the-password",
      () => undefined,
    ) as unknown as NodeJS.EventEmitter;
    const ended = once(refused, "esl::end");
    await once(refused, "esl::event::auth::fail");
    await ended;
  });

  it("answers api commands, also one that it does not know", async () => {
    assert.match(await api("version"), /FreeSWITCH/);
    assert.match(await api("nosuch"), /^-ERR nosuch Command not found!/);
    assert.match(await api(`uuid_kill ${ids.next("leg")}`), /^-ERR No such channel!/);
  });

  for (const format of ["json", "plain"] as const) {
    it(`runs a job, and tells of its call by events as ${format}`, async () => {
      await new Promise<void>((resolve) => {
        client.events(format, "CHANNEL_ANSWER CHANNEL_HANGUP_COMPLETE BACKGROUND_JOB", resolve);
      });
      const told: [name: string, event: Reply][] = [];
      for (const name of ["CHANNEL_ANSWER", "CHANNEL_HANGUP_COMPLETE"]) {
        client.on(`esl::event::${name}::*`, (event) => told.push([name, event]));
      }
      const leg = ids.next("leg");
      const target = `[origination_uuid=${leg},presence_data=${leg}]sofia/gateway/carrier/${numbers.answers440}`;
      assert.equal(
        (await bgapi(`originate {ignore_early_media=true}${target} &park()`)).trim(),
        `+OK ${leg}`,
      );
      assert.match(await api(`uuid_kill ${leg} NORMAL_CLEARING`), /^\+OK/);
      await eventually("the leg's two events", () => (told.length === 2 ? true : undefined));
      assert.deepEqual(
        told.map(([name, event]) => [name, event.getHeader("Unique-ID")]),
        [
          ["CHANNEL_ANSWER", leg],
          ["CHANNEL_HANGUP_COMPLETE", leg],
        ],
      );
      assert.equal(told[1]![1].getHeader("variable_hangup_cause"), "NORMAL_CLEARING");
    });
  }
});
