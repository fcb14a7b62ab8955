import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { EventOrder } from "../../engine/calls/event-order.ts";
import type { CallId, LegId } from "../../engine/ids.ts";

const wanjiru: LegId = "leg_wanjiru";
const otieno: LegId = "leg_otieno";
const achieng: LegId = "leg_achieng";
/** Wanjiru and Otieno are on one call. */
const callOf = (leg: LegId): Promise<CallId | undefined> =>
  Promise.resolve(leg === achieng ? "call_achieng" : "call_both");

describe("the order of a call's events", () => {
  it("is kept, whoever's leg they are and however long each takes", async () => {
    const order = new EventOrder(callOf);
    const taken: string[] = [];
    for (const [index, leg] of [wanjiru, otieno, wanjiru, otieno].entries()) {
      order.take(leg, async () => {
        await sleep(10 - 2 * index);
        taken.push(`${leg} ${index}`);
      });
    }

    await order.idle();

    assert.deepEqual(taken, ["leg_wanjiru 0", "leg_otieno 1", "leg_wanjiru 2", "leg_otieno 3"]);
  });

  it("holds no other call up", async () => {
    const order = new EventOrder(callOf);
    const taken: LegId[] = [];
    order.take(wanjiru, async () => {
      await sleep(30);
      taken.push(wanjiru);
    });
    order.take(achieng, () => {
      taken.push(achieng);
      return Promise.resolve();
    });

    await order.idle();

    assert.deepEqual(taken, [achieng, wanjiru]);
  });

  it("asks for a leg's call once, and again once the leg was forgotten", async () => {
    let asked = 0;
    const order = new EventOrder((leg) => {
      asked++;
      return callOf(leg);
    });
    const nothing = () => Promise.resolve();
    for (let n = 0; n < 3; n++) order.take(wanjiru, nothing);
    await order.idle();
    assert.equal(asked, 1);

    order.forget(wanjiru);
    order.take(wanjiru, nothing);
    await order.idle();
    assert.equal(asked, 2);
  });

  it("is kept for each leg while its call cannot be looked up", async () => {
    const order = new EventOrder(() => Promise.reject(new Error("The database is away.")));
    const taken: number[] = [];
    for (const index of [0, 1, 2]) {
      order.take(wanjiru, async () => {
        await sleep(6 - 2 * index);
        taken.push(index);
      });
    }

    await order.idle();

    assert.deepEqual(taken, [0, 1, 2]);
  });
});
