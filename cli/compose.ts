import { existsSync } from "node:fs";
import { join } from "node:path";
import { Registry, collectDefaultMetrics } from "prom-client";
import { createApi } from "../api/app.ts";
import { listen } from "../api/server.ts";
import type { ChangeParts } from "../engine/calls/change-parts.ts";
import { Calls } from "../engine/calls/calls.ts";
import { Conferences } from "../engine/calls/conferences.ts";
import { Controller } from "../engine/calls/controller.ts";
import { Questioner } from "../engine/calls/questioner.ts";
import { RecordingNews } from "../engine/calls/recording-news.ts";
import { systemClock } from "../engine/clock.ts";
import { createEgress } from "../engine/egress/egress.ts";
import { SautikitError } from "../engine/errors.ts";
import { systemIds, type IntentOwner } from "../engine/ids.ts";
import { filesInUse } from "../engine/store/media.ts";
import { createPromptUrls } from "../engine/media/prompt-urls.ts";
import { StoredPrompts } from "../engine/media/stored-prompts.ts";
import { MediaLibrary } from "../engine/media/media-library.ts";
import { CommandEngine } from "../engine/media/speech/command-engine.ts";
import { EspeakEngine } from "../engine/media/speech/espeak-engine.ts";
import { Invitations } from "../engine/people/invitations.ts";
import { SignIn } from "../engine/people/sign-in.ts";
import { PricingMails } from "../engine/metering/pricing-mails.ts";
import { StorageMeter } from "../engine/metering/storage-meter.ts";
import { seedShippedDeck } from "../engine/metering/rates.ts";
import { createSettlement } from "../engine/metering/settlement.ts";
import type { NumberParts } from "../engine/numbers/claims.ts";
import { PortDocuments } from "../engine/numbers/port-documents.ts";
import { comesByItself } from "../engine/sip/edge/admission.ts";
import { Renewals } from "../engine/numbers/renewals.ts";
import { sweepSignIn } from "../engine/store/sessions.ts";
import type { Destination } from "../engine/store/deliveries.ts";
import { FreeSwitchBox } from "../engine/switch/freeswitch-box.ts";
import { SipTrace } from "../engine/sip/trace/sip-trace.ts";
import { Streams } from "../engine/streams/streams.ts";
import { createMailQueue } from "../engine/mail/mail-queue.ts";
import { MailSender } from "../engine/mail/mail-sender.ts";
import { MonthEnd } from "../engine/wallet/month-end.ts";
import { Deliverer } from "../engine/webhooks/deliverer.ts";
import { WebhookEndpoints } from "../engine/webhooks/endpoints.ts";
import { createOutbox } from "../engine/webhooks/outbox.ts";
import { Policy } from "../engine/policy/policy.ts";
import { Poll } from "../engine/poll.ts";
import { createRecordings } from "../recordings/recordings.ts";
import { createSpool } from "../recordings/spool.ts";
import type { Config } from "./config.ts";
import { makeDataDir } from "./data-dir.ts";
import { makeDemoWorkspace } from "./demo-workspace.ts";
import { startEmbeddedSwitch } from "./embedded.ts";
import { registerMetrics } from "./metrics.ts";
import { createLog } from "./log.ts";
import { seedInventory } from "./seed-inventory.ts";
import { warnOfAddresses } from "./doctor/check-addresses.ts";
import { makeBucket, openObjectStorage } from "./object-storage.ts";
import { keepPort, keptPort } from "./kept-port.ts";
import { touch } from "../engine/store/migrate.ts";
import { boxNameOf } from "./open-calls.ts";
import { openEdge } from "./open-edge.ts";
import { openMail } from "./open-mail.ts";
import { openLedger } from "./open-ledger.ts";
import { openPrivacy } from "./open-privacy.ts";
import { openSignals, openStore } from "./open-store.ts";
import { lockRoles } from "./role-locks.ts";
import { openSecrets } from "./secrets-key.ts";
import { serveMpesa } from "./serve-mpesa.ts";
import { serveDevices, sipAccess } from "./sip-devices.ts";
import { openTrunks } from "./open-trunks.ts";

export const roles = ["api", "controller", "spool"] as const;
export type Role = (typeof roles)[number];

export interface App {
  /** Where the API listens; null without the api role. */
  baseUrl: string | null;
  /** The simulated carrier's account of its calls; null with a real switch. */
  carrierStatusUrl: string | null;
  /** The control page of Daraja's stand-in; null with a real one. */
  darajaControlUrl: string | null;
  /** Where the demo workspace's key is; null: there is no demo workspace. */
  demoFile: string | null;
  /** Stops taking calls, lets requests end, and closes everything; calls in a real switch go on. Twice is fine. */
  stop(): Promise<void>;
}

interface DemoOptions {
  demoWorkspace: boolean;
  /** Of the demo workspace's number. Default: it has none. */
  demoVoiceUrl?: string;
}

/** What another process stored is found within this, should its signal be lost or its database have none. */
const othersPollMs = 1_000;

/** Deleted prompts, and old papers of porting requests, are out of the storage within this. */
const promptsSweepMs = 60_000;

/** Links and sessions that are over are forgotten after so long, looked for so often. */
const signInKeptMs = 30 * 24 * 3_600_000;
const signInSweepMs = 3_600_000;
/** A suspended number is back in service within this after the wallet was filled. */
const renewalsMs = 5_000;
/** A month that is over is closed within this, and an hour. */
const monthEndMs = 600_000;

/** Builds every object and hands each what it needs: leaves first, and closed in reverse. */
export async function compose(
  config: Config,
  wanted: ReadonlySet<Role>,
  options: DemoOptions = { demoWorkspace: config.freeswitch === null },
): Promise<App> {
  const closers: (() => Promise<void> | void)[] = [];
  let stopping: Promise<void> | undefined;
  const stop = () => (stopping ??= closeAll(closers));
  try {
    return await build(config, wanted, options, closers, stop);
  } catch (error) {
    await stop();
    throw error;
  }
}

async function build(
  config: Config,
  wanted: ReadonlySet<Role>,
  { demoWorkspace, demoVoiceUrl }: DemoOptions,
  closers: (() => Promise<void> | void)[],
  stop: () => Promise<void>,
): Promise<App> {
  const clock = systemClock;
  const ids = systemIds(clock);
  const log = createLog(config.logLevel);
  /** Until the stop. */
  const runs = (part: { start(): void; stop(): Promise<void> | void }) => {
    part.start();
    closers.push(() => part.stop());
  };
  /** What failed is told, and tried again. */
  const every = (everyMs: number, look: () => Promise<void>, said: string) =>
    runs(new Poll(clock, everyMs, look, (error) => log.error({ err: error }, said)));
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const openToOthers = await makeDataDir(config.dataDir);
  if (openToOthers !== null) {
    const { dataDir } = config;
    log.warn(
      { dataDir, mode: openToOthers },
      "Others on this machine can look into DATA_DIR; close it by chmod 700.",
    );
  }
  const lock = lockRoles(config.dataDir, wanted);
  closers.push(() => lock.release());
  const secrets = await openSecrets(config, ids);

  const store = await openStore(config, { clock });
  closers.push(() => store.close());
  const signals = openSignals(config, { clock });
  closers.push(() => signals.close());
  await store.write((tx) => seedShippedDeck(tx, ids, clock.nowMs()));

  const egress = createEgress({ clock, allowPrivate: config.allowPrivateUrls });
  const othersWrite = config.database.kind === "postgres" || wanted.size < roles.length;
  const deliverer = new Deliverer({
    ...{ store, egress, secrets, clock, ids, log },
    ...(othersWrite ? { pollMs: othersPollMs } : {}),
  });
  const wake = (destination: Destination) => signals.tell("deliveries", destination);
  const outbox = createOutbox({ clock, ids, wake });
  const changed = (owner: IntentOwner) => signals.tell("calls", owner);
  const mails = createMailQueue({ clock, ids, wake: () => signals.tell("mails", null) });
  const ledger = openLedger({ clock, ids, changed, outbox, mails, paybill: config.paybill });
  const settlement = createSettlement({ ledger });
  const numbers: NumberParts = { clock, ids, secrets, ledger, outbox, mails };
  const { speechCommand: command } = config;
  const speech = command ? new CommandEngine({ command, clock }) : new EspeakEngine({ clock });
  closers.push(() => speech.close());
  if (command && !existsSync(command.program))
    log.warn(
      { program: command.program },
      "SPEECH_COMMAND is not there: what is said is heard as three tones",
    );
  const { storage, ...objects } = await openObjectStorage(config, {
    clock,
    ids,
    log,
    serves: wanted.has("spool"),
  });
  closers.push(() => objects.close());

  let baseUrl: string | null = null;
  const publicUrl = () => config.publicUrl ?? baseUrl ?? `http://${config.host}:${config.port}`;
  const prompts = new StoredPrompts({ store, storage, urls: createPromptUrls(publicUrl), clock, ids });
  closers.push(() => prompts.close());
  const portDocuments = new PortDocuments({ store, storage, clock, ids });
  const directory = join(config.spoolDir, "media");
  const inUse = () => store.read(filesInUse);
  const media = new MediaLibrary({ directory, egress, prompts, inUse, speech, clock, log });
  closers.push(() => media.close());

  const trace =
    config.sipTrace !== null && wanted.has("controller")
      ? new SipTrace({ store, clock, ids, log, ...config.sipTrace })
      : null;
  if (trace) closers.push(() => trace.stop());
  const hepPort = (await trace?.open()) ?? null;
  trace?.start();

  const boxName = boxNameOf(config);
  const embedded = config.freeswitch === null && wanted.has("controller") ? await embeddedSwitch() : null;
  if (embedded) closers.push(() => embedded.stop());
  const box = new FreeSwitchBox({
    box: boxName,
    ...(config.freeswitch ?? { host: "127.0.0.1", port: 1, password: "none", ...embedded?.access }),
    recordingsFolder: join(config.spoolDir, "recordings"),
    clock,
    ids,
    log,
  });

  const policy = new Policy({ clock, ids, outbox, mails });
  const trunks = await openTrunks(config, {
    ...{ store, clock, ids, log, signals, box },
    watched: wanted.has("controller") || wanted.has("spool"),
  });
  closers.push(() => trunks.watch.stop());
  const access = sipAccess(config, embedded?.devicesPort ?? null);
  const sip =
    access && serveDevices(config, { store, clock, ids, log, signals, outbox, box, trunks: trunks.watch });
  const edge = wanted.has("controller")
    ? openEdge(config, { store, clock, ids, log, box, watch: trunks.watch })
    : null;
  const changeParts: ChangeParts = { clock, ids, outbox, settlement, policy, trunks: trunks.choice, changed };
  const controller = new Controller(
    {
      ...{ ...changeParts, store, log, media },
      questioner: new Questioner({ store, egress, secrets, clock }),
      streams: new Streams({ store, egress, secrets, clock, ids, log, ports: config.streamPorts }),
      takesEndRecords: wanted.has("spool"),
      ticketed: (source) =>
        edge !== null &&
        (source === null ||
          source === config.edgeSip?.host ||
          !comesByItself(trunks.watch.trunks ?? [], source)),
      devices: sip?.devices ?? null,
      loginFailed: (event) => sip?.failures.take(event),
      boxConnected: () => trunks.gateways.wake(),
    },
    [box],
  );
  const calls = new Calls({
    ...changeParts,
    ...{ box: boxName, promptUrls: prompts.urls },
  });
  const conferences = new Conferences(changeParts);
  const recordings = createRecordings({ store, storage, clock, log });
  const people = { clock, ids, mails, publicUrl };
  const signIn = new SignIn(people, config.signUp);
  const { exports, erasures } = openPrivacy(config, { store, storage, secrets, mails, clock, ids, log });

  const mpesa = await serveMpesa(config, {
    ...{ store, secrets, clock, ids, log, ledger, outbox, publicUrl },
    works: wanted.has("controller"),
  });
  closers.push(() => mpesa.close());

  let demoFile: string | null = null;
  const news = new RecordingNews(changeParts, publicUrl);
  const spool = createSpool({
    directory: config.spoolDir,
    box: boxName,
    store,
    storage,
    clock,
    log,
    isSettled: (leg) => controller.isSettled(leg),
    takeEndRecord: (text) => controller.takeEndRecord(text),
    recordingReady: (tx, row) => news.ready(tx, row),
    recordingEmpty: (tx, row) => news.empty(tx, row),
    recordingMissing: (tx, row) => news.missing(tx, row),
  });

  registerMetrics(registry, {
    ...{ store, clock, box, spool, trace: trace?.counts ?? null },
    ...{ failures: sip?.failures ?? null, trunks: trunks.watch, edge },
  });

  if (wanted.has("spool")) {
    // Before the controller looks for what is gone: the records of what ended meanwhile are the truth about it.
    await spool.start();
    closers.push(() => spool.stop());
    const stopped = new AbortController();
    closers.push(() => stopped.abort());
    void makeBucket(storage, { clock, log }, stopped.signal);
    if (sip) {
      const { directory, firewall } = sip;
      signals.listen("logins", () => directory.wake());
      runs(directory);
      signals.listen("bans", () => firewall?.wake());
      if (firewall) runs(firewall);
    }
    runs(trunks.files);
  }
  if (wanted.has("controller")) {
    await media.makeFallback().catch((error: unknown) => {
      log.warn({ err: error }, "the tones that stand in for speech could not be kept yet");
    });
    signals.listen("calls", (owner) => controller.changed(owner));
    runs(controller);
    void warnOfAddresses(config, { clock, log });
    if (edge) runs(edge);
    if (sip) {
      const { devices, failures } = sip;
      signals.listen("directories", () => devices.wake());
      runs(devices);
      runs(failures);
    }
    signals.listen("trunks", () => trunks.gateways.wake());
    runs(trunks.gateways);
    runs(trunks.tests);
    const mailTransport = openMail(config);
    closers.push(() => mailTransport.close());
    const sender = new MailSender({ store, transport: mailTransport, clock, ids, log });
    signals.listen("mails", () => sender.wake());
    runs(sender);
    runs(new PricingMails({ store, mails, clock, log, publicUrl }));
    runs(new StorageMeter({ store, ledger, outbox, mails, clock, ids, log }));
    signals.listen("deliveries", (destination) => deliverer.wake(destination));
    runs(deliverer);
    runs(recordings);
    if (config.seller) {
      const monthEnd = new MonthEnd({ store, clock, ids, seller: config.seller, log });
      every(monthEndMs, () => monthEnd.run(), "A month could not be closed yet.");
    }
    const sweep = async () => {
      await prompts.sweep();
      await portDocuments.sweep();
    };
    every(promptsSweepMs, sweep, "Deleted files could not be removed from the storage yet.");
    runs(exports);
    runs(erasures);
    const forgetting = new Poll(
      clock,
      signInSweepMs,
      () => store.write((tx) => sweepSignIn(tx, clock.nowMs(), signInKeptMs, 1000)),
      (error) => log.warn({ err: error }, "Old sessions could not be forgotten yet."),
    );
    runs(forgetting);
    const renewals = new Renewals({ ...numbers, store, log });
    every(renewalsMs, () => renewals.run(), "The numbers' rents could not be looked at yet.");
  }
  let draining = false;
  if (wanted.has("api")) {
    const app = createApi({
      store,
      clock,
      ids,
      log,
      registry,
      calls,
      policy,
      conferences,
      recordings,
      prompts,
      numbers,
      portDocuments,
      secrets,
      invitations: new Invitations(people),
      signIn,
      exports,
      erasures,
      publicUrl,
      webhooks: new WebhookEndpoints({ clock, ids, secrets, wake }),
      sip: access && { access: () => access, changed: () => signals.tell("logins", null) },
      deliverer,
      topUps: mpesa.topUps,
      callbacks: mpesa.callbacks,
      checkUrl: (url, field) => egress.checkUrl(url, field),
      checkSocketUrl: (url, field) => egress.checkSocketUrl(url, field),
      paybill: config.paybill,
      storageLocation: config.s3.regionNote,
      readiness: {
        database: () => store.write(touch),
        ...(wanted.has("controller") ? { switch: () => connectedOrThrow(box) } : {}),
        storage: async () => {
          if (!(await storage.healthy())) throw new SautikitError("storage.unavailable");
        },
      },
      isDraining: () => draining,
      trustedProxies: config.trustedProxies,
    });
    const server = await listen(app, { host: config.host, port: config.port, clock });
    baseUrl = server.url;
    closers.push(() => server.close());
    if (demoWorkspace) {
      await seedInventory(store, { ids, clock });
      demoFile = join(config.dataDir, "demo.json");
      const carrierStatusUrl = embedded?.carrierStatusUrl ?? null;
      await makeDemoWorkspace({
        ...{ store, ids, secrets, clock, file: demoFile },
        ...{ baseUrl: publicUrl(), carrierStatusUrl, voiceCallbackUrl: demoVoiceUrl ?? null },
        darajaControlUrl: mpesa.controlUrl,
      });
    }
  }
  // Where the API listens, and so where it is called back, is known from here on.
  await mpesa.start();
  closers.push(() => mpesa.stop());
  return {
    baseUrl,
    carrierStatusUrl: embedded?.carrierStatusUrl ?? null,
    darajaControlUrl: mpesa.controlUrl,
    demoFile,
    stop() {
      draining = true;
      return stop();
    },
  };

  async function embeddedSwitch() {
    const password = ids.bytes(24).toString("base64url");
    const started = await startEmbeddedSwitch({
      eslPassword: password,
      gateway: config.gateway,
      cdrDir: join(config.spoolDir, "cdr"),
      devices: {
        realm: config.sip.domain ?? "",
        spoolDir: config.spoolDir,
        port: config.sip.embeddedPort || (await keptPort(config.dataDir, "sip.port")),
      },
      hep: hepPort === null || !config.sipTrace ? null : `${config.sipTrace.host}:${hepPort}`,
      log,
    });
    await keepPort(config.dataDir, "sip.port", started.devicesPort);
    return { ...started, access: { ...started.esl, password } };
  }
}

/** In reverse; what cannot be closed does not keep the rest open. */
async function closeAll(closers: readonly (() => Promise<void> | void)[]): Promise<void> {
  const faults: unknown[] = [];
  for (const close of [...closers].reverse()) {
    try {
      await close();
    } catch (error) {
      faults.push(error);
    }
  }
  if (faults.length > 0) throw new AggregateError(faults, "Not everything could be closed.");
}

async function connectedOrThrow(box: FreeSwitchBox): Promise<void> {
  if (!box.connected) throw new SautikitError("switch.unavailable");
  return Promise.resolve();
}
