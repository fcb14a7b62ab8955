import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { conferenceWithMembersView } from "../../api/schemas/conference.ts";
import { demoPrompt } from "../../cli/demo/prompt.ts";
import type { Document } from "../../engine/actions/document.ts";
import { StrayBoxes } from "../../engine/boxes/strays.ts";
import { noPeers, type ChangeParts } from "../../engine/calls/change-parts.ts";
import type { CallRequest } from "../../engine/calls/call-request.ts";
import { callView } from "../../engine/calls/call-view.ts";
import { CallTraces } from "../../engine/calls/call-traces.ts";
import { Calls } from "../../engine/calls/calls.ts";
import { Conferences, type ConferenceCommand } from "../../engine/calls/conferences.ts";
import { EndRecords } from "../../engine/calls/end-records.ts";
import { Controller, type Box, type ControllerParts } from "../../engine/calls/controller.ts";
import { Questioner } from "../../engine/calls/questioner.ts";
import { RecordingNews } from "../../engine/calls/recording-news.ts";
import { isError } from "../../engine/errors.ts";
import { systemClock, type Clock } from "../../engine/clock.ts";
import { createEgress } from "../../engine/egress/egress.ts";
import { isId, systemIds, type CallId, type LegId, type WorkspaceId } from "../../engine/ids.ts";
import type { Log } from "../../engine/log.ts";
import { createMailQueue } from "../../engine/mail/mail-queue.ts";
import { MediaLibrary } from "../../engine/media/media-library.ts";
import { createPromptUrls } from "../../engine/media/prompt-urls.ts";
import { StoredPrompts } from "../../engine/media/stored-prompts.ts";
import { EspeakEngine } from "../../engine/media/speech/espeak-engine.ts";
import { seedShippedDeck } from "../../engine/metering/rates.ts";
import { Policy } from "../../engine/policy/policy.ts";
import { createSettlement } from "../../engine/metering/settlement.ts";
import { aesSecrets } from "../../engine/secrets.ts";
import { recordingIdsOfCalls } from "../../engine/store/call-lists.ts";
import {
  callById,
  eventsOfCall,
  intentsOfCall,
  legOfChannel,
  legsOfCall,
  channelOf,
  legById,
} from "../../engine/store/calls.ts";
import { filesInUse } from "../../engine/store/media.ts";
import * as recordings from "../../engine/store/recordings.ts";
import type { Store } from "../../engine/store/store.ts";
import { activeNumberOf } from "../../engine/store/numbers.ts";
import { FreeSwitchBox } from "../../engine/switch/freeswitch-box.ts";
import { Streams } from "../../engine/streams/streams.ts";
import { createLedger } from "../../engine/wallet/ledger.ts";
import { verifyLedger } from "../../engine/wallet/verify.ts";
import { createWallet } from "../../engine/wallet/wallet.ts";
import { createOutbox } from "../../engine/webhooks/outbox.ts";
import { addNumber } from "../../engine/numbers/numbers.ts";
import { createWorkspace } from "../../engine/workspaces/workspaces.ts";
import { boxFiles, TrunkFiles } from "../../engine/sip/trunks/trunk-files.ts";
import { TrunkGateways } from "../../engine/sip/trunks/trunk-gateways.ts";
import { TrunkWatch } from "../../engine/sip/trunks/trunk-watch.ts";
import { Trunks } from "../../engine/sip/trunks/trunks.ts";
import { attemptsOfCalls, trunkFilesOfBox, trunkGatewaysOfBox } from "../../engine/store/trunks.ts";
import { createSpool } from "../../recordings/spool.ts";
import { openTestStore } from "../store/test-database.ts";
import { startCarrierProcess, type CarrierProcess } from "../peers/carrier-process.ts";
import { startObjectStorage } from "../peers/object-storage.ts";
import { startSwitchUnderTest, type SwitchKind } from "../peers/switch-under-test.ts";
import { eventually } from "../peers/waiting.ts";
import { checkBooks, checkStory, type EndStamps } from "./checks.ts";

export const nairobi = "+254200000001";

/** Warnings are part of the stories; errors are kept, since none of these tests wants one. */
function listeningLog(errors: string[]): Log {
  const say = (fields: unknown, message?: string) => {
    const { err } = fields as { err?: unknown };
    errors.push(
      `${message ?? ""} ${err instanceof Error ? (err.stack ?? err.message) : JSON.stringify(fields)}`,
    );
  };
  return { debug: () => undefined, info: () => undefined, warn: () => undefined, error: say };
}

export interface PlacedCall {
  to: string | [string, ...string[]];
  actions?: Document;
  record?: CallRequest["record"];
  ringTimeoutSeconds?: number;
  maxDurationSeconds?: number;
  voiceCallbackUrl?: string;
  eventsUrl?: string;
}

export interface WorldOptions {
  /** Default: the one that the suites run over. */
  switchKind?: SwitchKind;
  /** What the controller sees instead of the box itself. */
  tap?: (box: Box) => Box;
  /** What the controller sees instead of the store's own; the rest stays as it is. */
  tapStore?: (store: Store) => Partial<Store>;
  /** False: nobody drives the calls until `control` is called. */
  controller?: boolean;
  /** Awaited before an end-of-leg record is taken in. */
  beforeEndRecord?: (leg: string) => Promise<void> | void;
  /** The file of trunks, once the carrier is there. Default: none, the switch's own gateway is the one trunk. */
  trunks?: (carrier: CarrierProcess) => string;
  /** A command and arguments that the switch is started by. */
  switchWithin?: readonly string[];
  /** Its profile of customers' devices is there, for those of other boxes' calls. */
  devices?: boolean;
  /** Of all but the processes beside it. */
  clock?: Clock;
  /** Errors in the log that are part of these stories. */
  expectedErrors?: RegExp;
}

/** The engine in this process, with a switch and a carrier that are processes of their own. */
export async function world(options: WorldOptions = {}) {
  const folder = await mkdtemp(join(tmpdir(), "sautikit-calls-"));
  const carrier = await startCarrierProcess();
  const { switchWithin: within, devices = false } = options;
  const switchOptions = { carrier, devices, ...(within && { within }) };
  const peer = await startSwitchUnderTest(switchOptions, options.switchKind).catch(async (error: unknown) => {
    // Left running it would keep the tests' process from its end.
    await carrier.stop();
    throw error;
  });
  const clock = options.clock ?? systemClock;
  const ids = systemIds(clock);
  const errors: string[] = [];
  const log = listeningLog(errors);
  const secrets = aesSecrets(Buffer.alloc(32, 7), ids);
  const store = await openTestStore();
  const ledger = createLedger({ ids });
  const wallet = createWallet({ ledger });
  const settlement = createSettlement({ ledger });
  const outbox = createOutbox({ clock, ids, wake: () => undefined });
  await store.write((tx) => seedShippedDeck(tx, ids, clock.nowMs()));

  const objectStorage = await startObjectStorage(clock);
  const { storage } = objectStorage;

  const trunksFile = join(folder, "trunks.yaml");
  if (options.trunks) await writeFile(trunksFile, options.trunks(carrier));
  const watch = new TrunkWatch({
    ...{ clock, log, path: trunksFile, optional: true, edge: false, reserved: "carrier" },
    secretOf: () => undefined,
  });
  await watch.start();
  let trunksChanged: () => unknown = () => undefined;
  watch.onChange(() => trunksChanged());
  const trunkFiles = new TrunkFiles({
    ...{ store, clock, log, box: "box", spoolDir: peer.spoolDir, watch, edge: null, peers: [] },
    written: () => trunkGateways?.wake(),
  });
  if (options.trunks) trunkFiles.start();
  let trunkGateways: TrunkGateways | null = null;

  function tappedBox(): Box {
    const recordingsFolder = join(peer.spoolDir, "recordings");
    const box = new FreeSwitchBox({ box: "box", ...peer.esl, recordingsFolder, clock, ids, log });
    void trunkGateways?.stop();
    trunkGateways = new TrunkGateways({ store, clock, log, box, overEdge: () => [] });
    if (options.trunks) trunkGateways.start();
    return options.tap?.(box) ?? box;
  }
  const changeParts: ChangeParts = {
    clock,
    ids,
    outbox,
    settlement,
    policy: new Policy({ clock, ids, outbox, mails: createMailQueue({ clock, ids, wake: () => undefined }) }),
    trunks: new Trunks({ ids, watch, edge: null, gateway: "carrier" }),
    peers: noPeers,
    traces: new CallTraces(),
    changed: (id) => controllers.forEach((controller) => controller.changed(id)),
  };
  const egress = createEgress({ clock, allowPrivate: true });
  const speech = new EspeakEngine({ clock });
  // Nobody listens there: a prompt of ours that were fetched would not be heard.
  const prompts = new StoredPrompts({
    ...{ store, storage, clock, ids },
    urls: createPromptUrls(() => "http://127.0.0.1:9"),
  });
  const directory = join(peer.spoolDir, "media");
  const inUse = () => store.read(filesInUse);
  const media = new MediaLibrary({ directory, egress, prompts, inUse, speech, clock, log });
  const newController = (boxes: readonly Box[], time: Clock, scope: ControllerParts["scope"]) =>
    new Controller(
      {
        ...{ ...changeParts, clock: time, log, media, takesEndRecords: "box" in scope },
        ...{
          devices: null,
          loginFailed: () => undefined,
          ticketed: () => false,
          drains: { isDraining: () => false, allDraining: () => false },
          stillLeads: null,
        },
        scope,
        boxConnected: () => trunkGateways?.wake(),
        questioner: new Questioner({ store, egress, secrets, clock, ids, log }),
        sipAddressOf: (host, signal) => egress.sipAddressOf(host, signal),
        streams: new Streams({
          ...{ store, egress, secrets, clock, ids, log },
          ports: { first: 12_000, last: 15_999 },
        }),
        store: {
          read: (work) => store.read(work),
          write: (work) => store.write(work),
          close: () => store.close(),
          ...options.tapStore?.(store),
        },
      },
      boxes,
    );
  /** As a process has them: one for each box, and one for what is left of boxes that are none of these. */
  const newControllers = (boxes: readonly Box[], time: Clock = clock) => [
    ...boxes.map((box) => newController([box], time, { box: box.box })),
    straysController(
      boxes.map(({ box }) => box),
      time,
    ),
  ];
  const straysController = (configured: readonly string[], time: Clock) =>
    newController([], time, new StrayBoxes({ store, clock: time, configured }));
  let controllers = newControllers([tappedBox()]);
  const stopControllers = () => Promise.all(controllers.map((controller) => controller.stop()));
  const startControllers = () => controllers.forEach((controller) => controller.start());
  const endRecords = new EndRecords({
    ...{ ...changeParts, store, log },
    async ending(leg, channel) {
      for (const controller of controllers) await controller.endStream(leg, channel);
    },
    ended: (leg, channel) => controllers.forEach((controller) => controller.forget(leg, channel)),
  });
  const calls = new Calls({ ...changeParts, box: () => "box", promptUrls: prompts.urls });
  const conferences = new Conferences(changeParts);
  const news = new RecordingNews(changeParts, () => "http://127.0.0.1");
  /** What the switch itself wrote of each leg's end: the truth that charges are held against. */
  const stamps = new Map<string, EndStamps>();
  const spool = createSpool({
    directory: peer.spoolDir,
    boxes: ["box"],
    store,
    storage,
    clock,
    log,
    // Each is to be seen here, also of a leg whose event was there before.
    isSettled: () => Promise.resolve(false),
    async takeEndRecord(text) {
      const { variables } = JSON.parse(text) as { variables: Record<string, string> };
      const channel = variables["uuid"] ?? "";
      await options.beforeEndRecord?.(channel);
      const outcome = await endRecords.take(text);
      if (outcome !== "settled") return outcome;
      // A caller's leg is not called by its id.
      const leg = await store.read(async (tx) =>
        isId("leg", channel) ? legById(tx, channel) : legOfChannel(tx, channel),
      );
      // It has been dialled anew since, and has no stamps of its own yet.
      if (leg && channelOf(leg) !== channel) return outcome;
      stamps.set(leg?.id ?? channel, {
        // Of several that answered at once the switch kept another: nobody talked with this one.
        answeredUs: variables["hangup_cause"] === "LOSE_RACE" ? 0n : BigInt(variables["answer_uepoch"] ?? 0),
        endedUs: BigInt(variables["end_uepoch"] ?? 0),
      });
      return outcome;
    },
    recordingReady: (tx, row) => news.ready(tx, row),
    recordingEmpty: (tx, row) => news.empty(tx, row),
    recordingMissing: (tx, row) => news.missing(tx, row),
  });
  await spool.start();
  if (options.controller !== false) startControllers();

  const prompt = demoPrompt();
  const web = createServer((request, response) => {
    if (request.url === "/prompt.wav") response.setHeader("Content-Type", "audio/wav").end(prompt);
    else response.writeHead(404).end();
  });
  web.listen(0, "127.0.0.1");
  await once(web, "listening");

  /** Wanjiru's workspace: money, a number, and no limits that a busy test would meet. */
  async function workspace(e164: string, balanceMinor = 1_000_000): Promise<WorkspaceId> {
    const createdAtMs = clock.nowMs();
    return store.write(async (tx) => {
      const { id } = await createWorkspace(tx, ids, { name: "Wanjiru", createdAtMs });
      await tx.run(
        `UPDATE workspaces SET calls_per_second = 1000, concurrent_calls = 1000, short_calls_max = NULL,
           numbers_per_range_max = NULL WHERE id = ?`,
        [id],
      );
      if (balanceMinor > 0) {
        const credit = {
          workspaceId: id,
          amountMinor: balanceMinor,
          reference: id,
          description: "To begin with",
        };
        await wallet.credit(tx, { ...credit, kind: "credit", createdAtMs });
      }
      await addNumber(
        tx,
        { ids, secrets },
        { workspaceId: id, e164, country: "ke", provisionedAtMs: createdAtMs },
      );
      return id;
    });
  }
  const home = await workspace(nairobi);

  /** A number of its own, with the secret that its voice URL's questions are signed with. */
  async function number(e164: string, voiceFallbackUrl: string | null = null) {
    const workspaceId = await workspace(e164);
    const row = await store.write(async (tx) => {
      await tx.run("UPDATE numbers SET voice_fallback_url = ? WHERE e164 = ?", [voiceFallbackUrl, e164]);
      return activeNumberOf(tx, workspaceId, e164);
    });
    return { workspaceId, e164, secret: secrets.open(row!.voiceSigningSecret) };
  }

  async function place(call: PlacedCall, from = { workspaceId: home, e164: nairobi }): Promise<CallId> {
    const {
      to,
      actions,
      voiceCallbackUrl,
      record = null,
      ringTimeoutSeconds = 60,
      maxDurationSeconds = 14_400,
    } = call;
    const row = await store.write(async (tx) => {
      return calls.originate(tx, from.workspaceId, {
        ...{
          fromE164: from.e164,
          toE164: typeof to === "string" ? [to] : to,
          record,
          ringTimeoutSeconds,
          maxDurationSeconds,
        },
        ...(actions ? { actions } : {}),
        ...(voiceCallbackUrl === undefined ? {} : { voiceCallbackUrl }),
        ...(call.eventsUrl === undefined ? {} : { eventsUrl: call.eventsUrl }),
      });
    });
    return row.id;
  }

  async function view(callId: CallId): Promise<SeenCall> {
    const seen = await store.read(async (tx) => ({
      call: (await callById(tx, callId))!,
      legs: await legsOfCall(tx, callId),
      events: await eventsOfCall(tx, callId),
      recordings: await recordingIdsOfCalls(tx, [callId]),
      attempts: await attemptsOfCalls(tx, [callId]),
    }));
    return callView(seen, clock.nowUs()) as unknown as SeenCall;
  }

  const awaitCall = (callId: CallId, what: string, when: (call: SeenCall) => boolean, withinMs = 15_000) =>
    eventually(
      `${callId}: ${what}`,
      async () => {
        const call = await view(callId);
        return when(call) ? call : undefined;
      },
      { withinMs, everyMs: 20 },
    ).catch(async (error: unknown) => {
      throw new Error(`${String(error)}; it was ${JSON.stringify(await view(callId), null, 1)}`);
    });

  return {
    ...{ store, storage, prompts, clock, ids, log, calls, changeParts, carrier, peer, home, stamps, wallet },
    /** As an editor does it: the whole file at once. Resolves once it is noticed. */
    async writeTrunks(text: string): Promise<void> {
      if ((await readFile(trunksFile, "utf8")) === text) return;
      const noticed = Promise.withResolvers<undefined>();
      trunksChanged = () => noticed.resolve(undefined);
      await writeFile(`${trunksFile}.next`, text);
      await rename(`${trunksFile}.next`, trunksFile);
      await noticed.promise;
    },
    /** What is wrong with the file as it is. */
    trunkFaults: async () => {
      const row = await store.read((tx) => trunkFilesOfBox(tx, "box"));
      return row?.faults == null ? undefined : (JSON.parse(row.faults) as string[]);
    },
    trunkStates: () => store.read((tx) => trunkGatewaysOfBox(tx, "box")),
    /** Once the box has each trunk as it is in the file, and no other. */
    trunksLoaded: (...names: string[]) =>
      eventually(`the box has ${names.join(", ")}`, async () => {
        const { rows, files } = await store.read(async (tx) => ({
          rows: await trunkGatewaysOfBox(tx, "box"),
          files: await trunkFilesOfBox(tx, "box"),
        }));
        const wanted = boxFiles(watch.trunks ?? [], null, []).sha256;
        const loaded = rows.every(
          (row) => row.loadedSha256 !== null && row.loadedSha256 === row.writtenSha256,
        );
        const read = files?.loadedSha256 === wanted && String(rows.map((row) => row.trunk)) === String(names);
        return (loaded && read) || undefined;
      }),
    changed: (callId: CallId) => controllers.forEach((controller) => controller.changed(callId)),
    /** Stops the controller that runs, gracefully. */
    stopController: stopControllers,
    /** Another process takes over: with the same box unless other ones are configured, and by its own clock. */
    async control(boxes?: readonly Box[], time?: Clock): Promise<void> {
      await stopControllers();
      controllers = newControllers(boxes ?? [tappedBox()], time);
      startControllers();
    },
    /** Another process has the duties alone: it sees to what is left of boxes that are none of these. */
    async controlStrays(configured: readonly string[], time: Clock): Promise<void> {
      await stopControllers();
      controllers = [straysController(configured, time)];
      startControllers();
    },
    place,
    view,
    workspace,
    number,
    promptUrl: `http://127.0.0.1:${(web.address() as AddressInfo).port}/prompt.wav`,
    missingUrl: `http://127.0.0.1:${(web.address() as AddressInfo).port}/gone.wav`,
    until: awaitCall,
    /** Waits for an event of that kind on the call, the n-th if it comes several times. */
    event: (callId: CallId, kind: string, nth = 1) =>
      awaitCall(
        callId,
        `${kind} #${nth}`,
        ({ events }) => events.filter((e) => e.kind === kind).length >= nth,
      ),
    hangUp: (callId: CallId, workspaceId = home) =>
      store.write((tx) => calls.hangUp(tx, workspaceId, callId)),
    direct: async (callId: CallId, actions: Document, workspaceId = home) =>
      store.write(async (tx) => {
        await calls.direct(tx, workspaceId, callId, actions);
      }),
    sendDigits: (callId: CallId, digits: string, workspaceId = home) =>
      store.write((tx) => calls.sendDigits(tx, workspaceId, callId, digits)),
    record: (callId: CallId, state: "on" | "off" | "paused", legId?: LegId, workspaceId = home) =>
      store.write((tx) =>
        calls.setRecording(tx, workspaceId, callId, { state, ...(legId ? { legId } : {}) }),
      ),
    /** A command of a conference. */
    command: (name: string, command: ConferenceCommand, workspaceId = home) =>
      store.write((tx) => conferences.command(tx, workspaceId, name, command)),
    /** Null: there is none of that name. */
    conference: (name: string, workspaceId = home) =>
      store
        .read((tx) => conferences.get(tx, workspaceId, name))
        .then(conferenceWithMembersView, (error: unknown) => {
          if (isError(error, "conferences.not_found")) return null;
          throw error;
        }),
    recordingsOf: (callId: CallId, workspaceId = home) =>
      store.read((tx) => recordings.byCall(tx, workspaceId, callId)),

    /** Waits for the call's end, and holds it against what must be true of every call that has ended. */
    async ended(callId: CallId, withinMs = 20_000): Promise<SeenCall> {
      const call = await awaitCall(
        callId,
        "its end",
        ({ events }) => events.some(({ kind }) => kind === "call.completed" || kind === "call.failed"),
        withinMs,
      );
      checkStory(call);
      const legs = await store.read((tx) => legsOfCall(tx, callId));
      // The record of a caller who was not known yet is under their channel.
      for (const { id, channelUuid } of legs) {
        const early = channelUuid === null ? undefined : stamps.get(channelUuid);
        if (early && !stamps.has(id)) stamps.set(id, early);
      }
      // A leg that the switch never had has no record of its end.
      const dialled = legs.filter((leg) => leg.endedBy !== "controller").map((leg) => leg.id);
      await eventually("the end-of-leg records", () =>
        dialled.every((id) => stamps.has(id)) ? true : undefined,
      );
      await store.read((tx) => checkBooks(tx, call, stamps));
      await eventually("the last intent carried out", async () =>
        (await store.read((tx) => intentsOfCall(tx, callId))).length === 0 ? true : undefined,
      );
      return call;
    },

    /** Everything down, and nothing left behind; throws what was wrong with the books or the log. */
    async end(): Promise<void> {
      const findings = await store.read(verifyLedger);
      await Promise.all([watch.stop(), trunkFiles.stop(), trunkGateways?.stop()]);
      await stopControllers();
      await media.close();
      await prompts.close();
      await speech.close();
      await spool.stop();
      web.closeAllConnections();
      web.close();
      await objectStorage.close();
      await store.close();
      await peer.stop();
      await carrier.stop();
      await rm(folder, { recursive: true, force: true });
      assert.deepEqual(
        findings.filter(({ ok }) => !ok),
        [],
      );
      assert.deepEqual(
        errors.filter((error) => !options.expectedErrors?.test(error)),
        [],
      );
    },
  };
}

export type World = Awaited<ReturnType<typeof world>>;

/** A call as the API shows it, as far as these tests look. */
export interface SeenCall {
  id: CallId;
  direction: string;
  from: string;
  to: string;
  local_e164: string;
  remote_e164: string;
  country: string | null;
  status: string;
  hangup_cause: string | null;
  failure_code: string | null;
  duration_seconds: number;
  cost_minor: number;
  answered_at: string | null;
  ended_at: string | null;
  legs: SeenLeg[];
  events: SeenEvent[];
}

export interface SeenLeg {
  id: LegId;
  to: string;
  status: string;
  billed_seconds: number;
  cost_minor: number;
  rate_per_minute_minor: number;
  answered_at: string | null;
  ended_at: string | null;
  hangup_cause: string | null;
  sip_status: number | null;
  attempts: {
    trunk: string;
    sip_status: number | null;
    hangup_cause: string | null;
    ended_at: string | null;
  }[];
  recording_ids: string[];
}

export interface SeenEvent {
  kind: string;
  payload: Record<string, unknown>;
  occurred_at: string;
  created_at: string;
}

export const kindsOf = (call: Pick<SeenCall, "events">): string[] => call.events.map(({ kind }) => kind);
export const eventOf = (call: Pick<SeenCall, "events">, kind: string): SeenEvent => {
  const found = call.events.find((event) => event.kind === kind);
  assert.ok(found, `no ${kind} among ${kindsOf(call).join(", ")}`);
  return found;
};
