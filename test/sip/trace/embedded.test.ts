import assert from "node:assert/strict";
import { eventually } from "../../peers/waiting.ts";
import { startEmbedded, type Embedded } from "../../world/embedded.ts";

describe("on a bare machine the SIP of a call", function () {
  this.timeout(30_000);
  let on: Embedded;
  before(async () => {
    on = await startEmbedded({ SIP_TRACE: "on", HEP_PORT: "0" });
  });
  after(() => on.end());

  it("is there with one setting", async () => {
    const id = await on.customer.place({ from: on.demo.number, to: "+254700000486" });
    await eventually("its SIP", async () => {
      const { body } = await on.customer.ask("GET", `/v1/calls/${id}/sip-trace`);
      const said = (body.data as { summary: string }[]).map(({ summary }) => summary);
      return said.some((line) => line.startsWith("INVITE sip:+254700000486@")) &&
        said.some((line) => line.startsWith("486 "))
        ? true
        : undefined;
    });
    const { body } = await on.customer.ask("GET", `/v1/calls/${id}`);
    assert.deepEqual([body.call.legs[0].sip_status, body.call.legs[0].q850], [486, 17]);
    assert.equal(body.call.legs[0].audio, null);
  });
});
