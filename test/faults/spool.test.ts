import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { chance } from "../calls/troubled-box.ts";
import { startSautikit, type Child } from "../peers/child.ts";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import { eventually } from "../peers/waiting.ts";
import { TestWorld } from "../world/world.ts";
import { checkAtRest } from "./checks.ts";
import { legTo, Pairs, type Pair } from "./pairs.ts";
import { HeldStorage, type UploadPoint } from "./held-storage.ts";
import { Witness } from "./witness.ts";

const uploadPoints: UploadPoint[] = ["nothing has arrived", "nobody was told that it has arrived"];
/** Calls that end with nobody there but the spool, which is killed while it may be at their records. */
const recordRounds = 4;
/** The spool looks for records twice a second. */
const lookEveryMs = 500;

describeOnSwitch("a spool, a process of its own, that is killed", function () {
  this.timeout(120_000);
  const seed = Number(process.env["SAUTIKIT_SEED"] ?? Date.now() % 2 ** 31);
  const draw = chance(seed);
  let storage: HeldStorage;
  let world: TestWorld;
  let witness: Witness;
  let pairs: Pairs;
  let spool: Child;
  const uploaded: Pair[] = [];
  const recorded: Pair[] = [];

  async function startSpool(): Promise<void> {
    spool = (await startSautikit(["start", "--role", "spool"], world)).child;
  }
  async function killSpool(): Promise<void> {
    spool.kill("SIGKILL");
    await spool.exited();
  }

  before(async () => {
    storage = await HeldStorage.start();
    world = await TestWorld.start(storage.env, "api,controller");
    witness = await Witness.of(world);
    pairs = new Pairs(world, witness);
    await startSpool();
    uploaded.push(...uploadPoints.map(() => pairs.next()));
    recorded.push(...Array.from({ length: recordRounds }, () => pairs.next()));
    const legs = await Promise.all([...uploaded, ...recorded].map((pair) => pairs.talk(pair)));
    for (const [index, point] of uploadPoints.entries()) await duringUpload(uploaded[index]!, point);
    await world.killSautikit();
    for (const leg of legs.slice(uploadPoints.length)) {
      await witness.hangUp(leg);
      await sleep(draw() * lookEveryMs * 1.2);
      await killSpool();
      await startSpool();
    }
    await world.startSautikit();
  });
  after(async () => {
    await spool.stop();
    await witness.stop();
    await world.end();
    await storage.close();
  });

  async function duringUpload(pair: Pair, point: UploadPoint): Promise<void> {
    const call = await world.customer.call(pair.callId);
    const held = storage.hold(legTo(call, pair.caller).recording_ids[0]!, point);
    await Promise.all([held, world.customer.hangUp(pair.callId)]);
    await killSpool();
    storage.letThrough();
    await startSpool();
  }

  async function checkStored(pair: Pair): Promise<void> {
    const call = await pairs.finish(pair);
    await pairs.checkAsEver(call, pair);
    for (const { recording_ids } of call.legs) {
      for (const recording of recording_ids) assert.equal(await storage.objects(recording), 1, recording);
    }
  }

  for (const [index, point] of uploadPoints.entries()) {
    it(`while it uploads, and ${point}: the recording is stored, once`, () => checkStored(uploaded[index]!));
  }

  it(`while it takes end-of-leg records: each leg is charged exactly, and stored (SAUTIKIT_SEED=${seed})`, async () => {
    for (const pair of recorded) await checkStored(pair);
  });

  it("leaves nothing behind", async () => {
    const { spoolDir } = world.switch;
    for (const folder of ["recordings", "cdr", "unclaimed"]) {
      await eventually(`an empty ${folder}/`, async () => {
        const files = await readdir(join(spoolDir, folder));
        return files.length === 0 ? true : Promise.reject(new Error(files.join(", ")));
      });
    }
    await checkAtRest(world);
  });

  it("stands up to the auditor", () => world.audit());
});
