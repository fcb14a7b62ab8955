import { setTimeout as sleep } from "node:timers/promises";
import { magicPhones, pays } from "../../../engine/simulator/daraja/behaviours.ts";
import { dayMs, systemClock } from "../../../engine/clock.ts";
import { systemIds } from "../../../engine/ids.ts";
import { addToInventory } from "../../../engine/numbers/inventory.ts";
import { SipDevice, type Login } from "../../peers/sip-device.ts";
import type { AskedQuestion } from "../../peers/voice-server.ts";
import { eventually } from "../../peers/waiting.ts";
import { Customer, type ApiAnswer, type ApiLeg } from "../../world/customer.ts";
import { openAccount } from "../../world/world.ts";
import type { DeviceAccount, DeviceCall } from "../auditor/evidence.ts";
import { clockStepMs, type Act, type Plan } from "./plan.ts";
import type { Surroundings } from "./surroundings.ts";

/** Whatever is down, a request is made again until it was answered, for as long as this. */
const answerMsMax = 60_000;
/** What has come to nothing by then never will: somebody was killed in its middle. */
const patienceMs = 4_000;
/** Spool, switch and controller all take part in it, and each may be down in its turn. */
const listedMsMax = 5_000;
const letInMsMax = 20_000;

/** What one seed's customer did; what was refused because something was down is no act of hers. */
export type Counts = Record<
  "calls" | "rooms" | "inbound" | "deviceCalls" | "topUps" | "payBills" | "claims" | "deleted",
  number
>;
export const noCounts = (): Counts => ({
  ...{ calls: 0, rooms: 0, inbound: 0, deviceCalls: 0, topUps: 0, payBills: 0, claims: 0, deleted: 0 },
});

/** The customer of a seed: a workspace of her own, which does what the plan says, through whatever happens. */
export class Tenant {
  readonly plan: Plan;
  readonly counts = noCounts();
  /** What she could not do at all, though nothing in the plan says so. */
  readonly complaints: string[] = [];
  workspaceId = "";
  readonly #around: Surroundings;
  #customer!: Customer;
  #account!: Awaited<ReturnType<typeof openAccount>>;
  #device: SipDevice | undefined;
  readonly #answered = new Map<string, unknown[]>();

  private constructor(plan: Plan, around: Surroundings) {
    this.plan = plan;
    this.#around = around;
  }

  static async open(plan: Plan, around: Surroundings): Promise<Tenant> {
    const tenant = new Tenant(plan, around);
    await tenant.#open();
    return tenant;
  }

  async #open(): Promise<void> {
    const { world, voice } = this.#around;
    const { seed, number, lowBalanceMinor } = this.plan;
    const voiceCallbackUrl = voice.url(`/voice/${seed}`);
    const eventsUrl = `${world.inbox.url}/${seed}`;
    const name = `Seed ${seed}`;
    const secretsKey = Buffer.from(world.env["SECRETS_KEY"] ?? "", "hex");
    this.#account = await around(() =>
      openAccount(world.store, secretsKey, { name, e164: number, voiceCallbackUrl, eventsUrl }),
    );
    this.workspaceId = this.#account.workspaceId;
    this.#customer = new Customer(world.customer.baseUrl, this.#account.key);
    world.customers.push(this.#customer);
    world.inbox.open(String(seed), this.#account.voiceSigningSecret);
    const wanted = { url: `${world.inbox.url}/${seed}/workspace`, events: ["*"] };
    const { body } = await this.#ask("POST", "/v1/webhooks", wanted, "endpoint");
    // An answer that came again leaves the secret out.
    const { body: rotated } =
      body.signing_secret === undefined
        ? await this.#ask("POST", `/v1/webhooks/${body.id}/rotate-secret`)
        : { body };
    world.inbox.open(`${seed}/workspace`, String(rotated.signing_secret));
    if (lowBalanceMinor !== null)
      await this.#ask("PATCH", "/v1/wallet", {
        low_balance_threshold_minor: lowBalanceMinor,
        alert_emails: [`seed-${seed}@wanjiru.example`],
      });
    if (this.plan.acts.some((act) => act.kind === "inbound" && act.recorded))
      await this.#ask("PATCH", `/v1/numbers/${this.#account.numberId}/routing`, { record: true });
    for (const act of this.plan.acts)
      if (act.kind === "claim")
        await around(() =>
          world.store.write((tx) =>
            addToInventory(tx, { ids, clock: systemClock }, [{ e164: act.number, country: "ke" }]),
          ),
        );
  }

  /** Everything that she does, to its end. */
  async act(): Promise<void> {
    const sinceMs = performance.now();
    await Promise.all(
      this.plan.acts.map(async (act, index) => {
        await until(sinceMs + act.atMs);
        try {
          await this.#act(act, index);
        } catch (error) {
          this.complaints.push(`seed ${this.plan.seed}, ${act.kind}: ${String(error)}`);
        }
      }),
    );
  }

  /** Whatever is still up she hangs up; her device is put away. */
  async end(): Promise<void> {
    const live = await this.#ask("GET", "/v1/calls?status=initiated,ringing,answered&limit=100");
    for (const { id } of live.body.data as { id: string }[]) await this.#hangUp(id);
    await this.#device?.close();
  }

  /** What her server answers to a question: the next document of the act, the same again where it is asked again. */
  answerTo({ body, path }: AskedQuestion): object {
    const index = Number(path.split("/")[3] ?? this.plan.acts.findIndex(({ kind }) => kind === "inbound"));
    const act = this.plan.acts[index];
    const documents = act?.kind === "call" || act?.kind === "inbound" ? act.documents : [];
    const call = String(body.data?.["call_id"]);
    const asked = this.#answered.get(call) ?? [];
    this.#answered.set(call, asked);
    if (!asked.includes(body.event_id)) asked.push(body.event_id);
    const document = documents[asked.indexOf(body.event_id)];
    return document ? { actions: this.#filled(document) } : { text: "OK" };
  }

  #act(act: Act, index: number): Promise<void> {
    switch (act.kind) {
      case "call":
        return this.#call(act, index);
      case "room":
        return this.#room(act, index);
      case "inbound":
        return this.#inbound(act);
      case "deviceCalls":
        return this.#deviceCalls(act);
      case "deviceIsCalled":
        return this.#deviceIsCalled(act, index);
      case "topUp":
        return this.#topUp(act, index);
      case "payBill":
        return this.#payBill(act);
      case "claim":
        return this.#claim(act, index);
      case "recordingDeleted":
        return this.#recordingDeleted(act, index);
    }
  }

  async #call(act: Extract<Act, { kind: "call" }>, index: number): Promise<void> {
    const id = await this.#place(act.body, `call ${index}`, index);
    const sinceMs = performance.now();
    for (const { afterMs, state } of act.recordings) {
      await until(sinceMs + afterMs);
      // Refused where the call has ended meanwhile.
      await this.#customer
        .ask("PATCH", `/v1/calls/${id}/recording`, { body: { state } })
        .catch(() => undefined);
    }
    if (act.steering) {
      const { afterMs, path, body } = act.steering;
      await until(sinceMs + afterMs);
      await this.#try("POST", `/v1/calls/${id}/${path}`, this.#filled(body), `steering ${index}`);
    }
    await until(sinceMs + act.hangUpAfterMs);
    await this.#hangUp(id);
  }

  async #room(act: Extract<Act, { kind: "room" }>, index: number): Promise<void> {
    const sinceMs = performance.now();
    const ids = await Promise.all(
      act.members.map(({ to, conference }, member) =>
        this.#place(
          { to, actions: [{ conference: { name: act.name, ...conference } }, { wait: { seconds: 1 } }] },
          `room ${index} ${member}`,
          index,
        ),
      ),
    );
    this.counts.rooms++;
    const directed = act.commands.map(async ({ afterMs, member, body }, command) => {
      await until(sinceMs + afterMs);
      const leg = member === null ? {} : { leg_id: await this.#firstLeg(ids[member]!) };
      const path = `/v1/conferences/${act.name}/commands`;
      await this.#try("POST", path, { ...this.#filled(body), ...leg }, `command ${index} ${command}`);
    });
    const left = act.members.map(async ({ hangUpAfterMs }, member) => {
      await until(sinceMs + hangUpAfterMs);
      await this.#hangUp(ids[member]!);
    });
    await Promise.all([...directed, ...left]);
  }

  async #inbound(act: Extract<Act, { kind: "inbound" }>): Promise<void> {
    const { world } = this.#around;
    const { host, port } = world.switch.sip;
    const placing = {
      ...{ from: act.from, to: this.plan.number, switch: `${host}:${port}`, digits: act.digits },
      ...{ hang_up_after_ms: act.hangUpAfterMs, give_up_after_ms: act.hangUpAfterMs + patienceMs },
    };
    // The carrier itself may be dead just now: then nobody calls.
    const placed = await world.carrier.place(placing).catch(() => null);
    if (placed !== null) this.counts.inbound++;
    await sleep(act.hangUpAfterMs + 200);
  }

  async #deviceCalls(act: Extract<Act, { kind: "deviceCalls" }>): Promise<void> {
    const device = await this.#registered();
    if (!device) return;
    const { made } = this.#devicesAccount();
    const call = device.call(act.to);
    const seen: DeviceCall = { sipCallId: call.callId, atMs: Date.now(), answered: false };
    call.on("answered", () => (seen.answered = true));
    made.push(seen);
    this.counts.deviceCalls++;
    await sleep(act.hangUpAfterMs);
    if (call.state !== "ended") call.end();
  }

  async #deviceIsCalled(act: Extract<Act, { kind: "deviceIsCalled" }>, index: number): Promise<void> {
    const device = await this.#registered();
    if (!device) return;
    const { rung } = this.#devicesAccount();
    const answering = (async () => {
      const call = await device.ringing(patienceMs).catch(() => null);
      if (!call) return;
      rung.push({ sipCallId: call.callId, atMs: Date.now(), answered: act.answers === "answers" });
      if (act.answers === "answers") call.answer();
      if (act.answers === "is busy") call.reject(486);
    })();
    const dial = { dial: { sip: `sip:${device.login.username}`, timeout: 5, record: act.record } };
    const body = { to: "+254700000001", actions: [dial, { wait: { seconds: 1 } }] };
    const id = await this.#place(body, `device ${index}`, index);
    this.counts.deviceCalls++;
    await sleep(act.hangUpAfterMs);
    await this.#hangUp(id);
    await answering;
  }

  async #topUp(act: Extract<Act, { kind: "topUp" }>, index: number): Promise<void> {
    const { book } = this.#around;
    const behaviour = act.behaviour === "pays" ? pays : magicPhones[act.behaviour]!;
    // What takes two minutes there takes three seconds here.
    const callbackDelayMs = Math.min(behaviour.callbackDelayMs, 3_000);
    book.behaviours.set(act.phone, { ...behaviour, afterMs: 300, callbackDelayMs });
    const body = {
      ...{ provider: "mpesa", currency: "KES" },
      amount_minor: act.amountKes * 100,
      phone_e164: act.phone,
    };
    // One who is not sure whether the first was taken asks again, by the same key.
    for (let times = act.askedTwice ? 2 : 1; times > 0; times--) {
      const { status, body: answer } = await this.#ask("POST", "/v1/topups", body, `top-up ${index}`);
      if (status !== 202) throw new Error(`answered ${status}: ${JSON.stringify(answer)}`);
    }
    this.counts.topUps++;
  }

  async #payBill(act: Extract<Act, { kind: "payBill" }>): Promise<void> {
    const account = act.account === "hers" ? this.#account.mpesaAccountRef : `nobody${this.plan.seed}`;
    await this.#around.book.payBill({ account, amount: act.amountKes.toFixed(2), msisdn: "254733000001" });
    this.counts.payBills++;
  }

  async #claim(act: Extract<Act, { kind: "claim" }>, index: number): Promise<void> {
    const asking = (key: string) => this.#ask("POST", "/v1/numbers", { number: act.number }, key);
    const answers = await Promise.all([
      asking(`claim ${index}`),
      ...(act.twice ? [asking(`claim ${index} again`)] : []),
    ]);
    const taken = answers.filter(({ status }) => status === 201);
    if (taken.length !== 1)
      throw new Error(`${taken.length} claims taken: ${answers.map(({ status }) => status).join(", ")}`);
    this.counts.claims++;
    const id = String(taken[0]!.body.id);
    if (act.monthsLater > 0) await this.#pass(id, act.monthsLater);
    if (act.monthsLater > 0)
      await eventually(
        `the rent of ${id}`,
        async () => {
          const rows = await around(() =>
            this.#around.world.byHand(`SELECT paid_months AS paid FROM numbers WHERE id = '${id}'`),
          );
          return Number(rows[0]?.["paid"]) > act.monthsLater ? true : undefined;
        },
        { withinMs: answerMsMax, everyMs: 500 },
      );
    if (act.releases) await this.#ask("DELETE", `/v1/numbers/${id}`);
  }

  /** As if it had been claimed that much earlier, though the clock that it was claimed by was ahead. */
  async #pass(id: string, months: number): Promise<void> {
    const backMs = months * 31 * dayMs + clockStepMs;
    await around(() =>
      this.#around.world.byHand(
        `UPDATE number_rentals SET begins_at_ms = begins_at_ms - ${backMs}, ends_at_ms = ends_at_ms - ${backMs}
           WHERE number_id = '${id}';
         UPDATE numbers SET provisioned_at_ms = provisioned_at_ms - ${backMs}, paid_until_ms = paid_until_ms - ${backMs},
           due_at_ms = due_at_ms - ${backMs} WHERE id = '${id}'`,
      ),
    );
  }

  async #recordingDeleted(act: Extract<Act, { kind: "recordingDeleted" }>, index: number): Promise<void> {
    const id = await this.#place({ to: act.to, record: true }, `deleted ${index}`, index);
    await sleep(act.hangUpAfterMs);
    await this.#hangUp(id);
    const recording = await eventually(
      "a stored recording",
      async () => {
        const { body } = await this.#ask("GET", `/v1/calls/${id}/recordings`);
        const [first] = body.data as { id: string; status: string }[];
        // It may have come to nothing.
        if (first === undefined || ["empty", "missing"].includes(first.status)) return null;
        return first.status === "ready" ? first.id : undefined;
      },
      { withinMs: 40_000, everyMs: 300 },
    ).catch(() => null);
    if (recording === null) return;
    await this.#ask("DELETE", `/v1/recordings/${recording}`);
    this.counts.deleted++;
  }

  /** Her one device, once it is let in; null: it was not, since whoever lets it in is down. */
  async #registered(): Promise<SipDevice | null> {
    if (this.#device) return this.#device;
    const { world } = this.#around;
    const path = `/v1/numbers/${this.#account.numberId}/sip-credentials`;
    const { body } = await this.#ask("POST", path, { label: "Desk" }, "credential");
    if (body.password === undefined) return null;
    const login: Login = { username: body.username, password: body.password };
    this.#device = await SipDevice.open(world.switch.devices!, login);
    world.witnesses.devices.push({ username: login.username, rung: [], made: [] });
    const device = this.#device;
    const letIn = await eventually(
      "a registration",
      async () => ((await device.register()).status === 200 ? true : undefined),
      { withinMs: letInMsMax, everyMs: 300 },
    ).catch(() => null);
    if (letIn === null) return null;
    // The switch has it; what it told of it is written down a moment later, or at the next comparison where that was lost.
    await eventually(
      "the registration in the list",
      async () => {
        const listed = await this.#ask("GET", `${path}/${body.id}/registrations`);
        return (listed.body.data as unknown[]).length > 0 || undefined;
      },
      { withinMs: listedMsMax, everyMs: 200 },
    ).catch(() => undefined);
    return device;
  }

  #devicesAccount(): { rung: DeviceCall[]; made: DeviceCall[] } {
    const mine = (account: DeviceAccount) => account.username === this.#device?.login.username;
    return this.#around.world.witnesses.devices.find(mine) as unknown as {
      rung: DeviceCall[];
      made: DeviceCall[];
    };
  }

  async #place(body: Record<string, unknown>, key: string, index: number): Promise<string> {
    const { world } = this.#around;
    const events_url = `${world.inbox.url}/${this.plan.seed}`;
    const filled = { from: this.plan.number, events_url, ...this.#filled(body, index) };
    const answer = await this.#ask("POST", "/v1/calls", filled, key);
    if (answer.status !== 201) throw new Error(`answered ${answer.status}: ${JSON.stringify(answer.body)}`);
    this.counts.calls++;
    return String(answer.body.id);
  }

  async #firstLeg(id: string): Promise<string> {
    const { body } = await this.#ask("GET", `/v1/calls/${id}`);
    return (body.call.legs as ApiLeg[])[0]!.id;
  }

  async #hangUp(id: string): Promise<void> {
    const { status } = await this.#ask("POST", `/v1/calls/${id}/hangup`);
    if (status !== 200) throw new Error(`the hang-up of ${id} was answered ${status}`);
  }

  /** A careful client: the same request until there is an answer other than that it should try again. */
  #ask(method: string, path: string, body?: unknown, key?: string): Promise<ApiAnswer> {
    const headers = key === undefined ? {} : { "idempotency-key": key };
    const isLater = ({ status, body: { error } }: ApiAnswer) =>
      status >= 500 || status === 429 || (status === 409 && String(error?.code).startsWith("idempotency."));
    return eventually(
      `an answer to ${method} ${path}`,
      async () => {
        const answer = await this.#customer.ask(method, path, {
          ...(body === undefined ? {} : { body }),
          headers,
        });
        return isLater({ ...answer, body: answer.body ?? {} }) ? undefined : answer;
      },
      { withinMs: answerMsMax, everyMs: 100 },
    );
  }

  /** What may be refused, as its call may be over by now. */
  async #try(method: string, path: string, body: unknown, key: string): Promise<void> {
    const { status } = await this.#ask(method, path, body, key);
    if (status >= 400 && ![400, 404, 409, 422].includes(status))
      throw new Error(`${method} ${path} was answered ${status}`);
  }

  #filled<T>(body: T, index = 0): T {
    const { world, voice, bot } = this.#around;
    const text = JSON.stringify(body)
      .replaceAll("{prompt}", world.inbox.promptUrl)
      .replaceAll("{voice}", voice.url(`/voice/${this.plan.seed}/${index}`))
      .replaceAll("{bot}", bot.url);
    return JSON.parse(text) as T;
  }
}

const ids = systemIds(systemClock);

const until = (atMs: number) => sleep(Math.max(0, atMs - performance.now()));

/** The database may be locked by a fault: it is tried again. */
async function around<T>(work: () => Promise<T>): Promise<T> {
  const { done } = await eventually("the database", async () => ({ done: await work() }), {
    withinMs: answerMsMax,
  });
  return done;
}
