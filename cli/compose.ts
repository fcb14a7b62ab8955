import { existsSync } from "node:fs";
import { isIPv4 } from "node:net";
import { hostname } from "node:os";
import { join } from "node:path";
import { Registry, collectDefaultMetrics } from "prom-client";
import { createApi, createOperatorsApp } from "../api/app.ts";
import { listen, type HttpServer } from "../api/server.ts";
import { BoxHealth } from "../engine/boxes/box-health.ts";
import { fencedStore } from "../engine/boxes/fenced-store.ts";
import { Owners } from "../engine/boxes/owners.ts";
import { duties, Leases, type Lease, type Work } from "../engine/boxes/leases.ts";
import type { ChangeParts, Peers } from "../engine/calls/change-parts.ts";
import { CallTraces } from "../engine/calls/call-traces.ts";
import { Calls } from "../engine/calls/calls.ts";
import { Conferences } from "../engine/calls/conferences.ts";
import { EndRecords } from "../engine/calls/end-records.ts";
import { Questioner } from "../engine/calls/questioner.ts";
import { RecordingNews } from "../engine/calls/recording-news.ts";
import { systemClock } from "../engine/clock.ts";
import { createEgress } from "../engine/egress/egress.ts";
import { SautikitError } from "../engine/errors.ts";
import { systemIds, type IntentOwner } from "../engine/ids.ts";
import { boxStates } from "../engine/store/leases.ts";
import { filesInUse } from "../engine/store/media.ts";
import { firstAndLastSealed } from "../engine/store/numbers.ts";
import type { Store } from "../engine/store/store.ts";
import { createPromptUrls } from "../engine/media/prompt-urls.ts";
import { StoredPrompts } from "../engine/media/stored-prompts.ts";
import { MediaLibrary } from "../engine/media/media-library.ts";
import { CommandEngine } from "../engine/media/speech/command-engine.ts";
import { EspeakEngine } from "../engine/media/speech/espeak-engine.ts";
import { Invitations } from "../engine/people/invitations.ts";
import { SignIn } from "../engine/people/sign-in.ts";
import { seedShippedDeck } from "../engine/metering/rates.ts";
import { createSettlement } from "../engine/metering/settlement.ts";
import type { NumberParts } from "../engine/numbers/claims.ts";
import { PortDocuments } from "../engine/numbers/port-documents.ts";
import { comesByItself } from "../engine/sip/edge/admission.ts";
import type { Destination } from "../engine/store/deliveries.ts";
import { SipTrace } from "../engine/sip/trace/sip-trace.ts";
import type { LoginFailed } from "../engine/switch/switch.ts";
import type { MailTransport } from "../engine/mail/mail-transport.ts";
import { createMailQueue } from "../engine/mail/mail-queue.ts";
import { WebhookEndpoints } from "../engine/webhooks/endpoints.ts";
import { createOutbox } from "../engine/webhooks/outbox.ts";
import { Policy } from "../engine/policy/policy.ts";
import { createRecordings } from "../recordings/recordings.ts";
import { createSpool } from "../recordings/spool.ts";
import type { BoxConfig, Config } from "./config.ts";
import { watchClock } from "./clock-watch.ts";
import { controllerId } from "./controller-id.ts";
import { makeDataDir } from "./data-dir.ts";
import { makeDemoWorkspace } from "./demo-workspace.ts";
import { Duties } from "./duties.ts";
import { startEmbeddedSwitch } from "./embedded.ts";
import { LedBox } from "./led-box.ts";
import { registerMetrics } from "./metrics.ts";
import { countLegs } from "./metrics/call-metrics.ts";
import { measuredStore } from "./metrics/measured-store.ts";
import { countWebhooks } from "./metrics/webhook-metrics.ts";
import { version } from "./version.ts";
import { createLog } from "./log.ts";
import { seedInventory } from "./seed-inventory.ts";
import { warnOfAddresses } from "./doctor/check-addresses.ts";
import { makeBucket, openObjectStorage } from "./object-storage.ts";
import { keepPort, keptPort } from "./kept-port.ts";
import { touch } from "../engine/store/migrate.ts";
import { boxNamesOf, embeddedBox } from "./open-calls.ts";
import { openEdge } from "./open-edge.ts";
import { openMail } from "./open-mail.ts";
import { openLedger } from "./open-ledger.ts";
import { openPrivacy } from "./open-privacy.ts";
import { openSignals, openStore } from "./open-store.ts";
import { lockRoles } from "./role-locks.ts";
import { openSecrets, opens } from "./secrets-key.ts";
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

const renewalMsMax = 2_000;
/** What another process stored is found within this, should its signal be lost or its database have none. */
const othersPollMs = 1_000;

/** Builds every object and hands each what it needs: leaves first, and closed in reverse, but for the servers and the leases. */
export async function compose(
  config: Config,
  wanted: ReadonlySet<Role>,
  options: DemoOptions = { demoWorkspace: config.boxes.length === 0 },
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
  const traces = new CallTraces();
  const log = createLog(config.logLevel, { secrets: config.secrets, traces });
  /** Until the stop. */
  const runs = (part: { start(): void; stop(): Promise<void> | void }) => {
    part.start();
    closers.push(() => part.stop());
  };
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

  const openedStore = await openStore(config, { clock });
  const store = measuredStore(openedStore, registry, clock);
  closers.push(() => store.close());
  if (config.boxes.length === 0 && config.database.kind === "postgres") await refuseOthersDatabase(store);
  const signals = openSignals(config, { clock });
  closers.push(() => signals.close());
  await store.write((tx) => seedShippedDeck(tx, ids, clock.nowMs()));
  const sealed = await store.read(firstAndLastSealed);
  if (!sealed.every((text) => opens(secrets, text)))
    log.error(
      {},
      "This process cannot open what is sealed in the database, and what it seals no other can: set the SECRETS_KEY of the others.",
    );

  const egress = createEgress({ clock, allowPrivate: config.allowPrivateUrls });
  const othersWrite = config.database.kind === "postgres" || wanted.size < roles.length;
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

  const embedded = config.boxes.length === 0 && wanted.has("controller") ? await embeddedSwitch() : null;
  if (embedded) closers.push(() => embedded.stop());
  const boxNames = boxNamesOf(config);
  /** Those that this machine's disk is the spool of. */
  const spooled = config.boxes.length === 0 ? boxNames : config.spoolBoxes;
  if (spooled === null && wanted.has("spool"))
    throw new Error(
      "SPOOL_BOXES: with several boxes the spool role must be told which of them write into SPOOL_DIR.",
    );
  const configured: readonly BoxConfig[] = embedded
    ? [{ box: embeddedBox, ...embedded.access, sip: { host: "127.0.0.1", port: 0 } }]
    : config.boxes;
  /** Those that this controller leads just now. */
  const led = new Map<string, LedBox>();
  let doing: Duties | null = null;
  const health = new BoxHealth({
    ...{ store, clock, ids, log, boxes: boxNames },
    connected: (name) => led.get(name)?.box.connected,
  });
  runs(health);
  runs(watchClock({ clock, log }));

  const peers = peersOf(config.boxes, health);
  const policy = new Policy({ clock, ids, outbox, mails });
  const trunks = await openTrunks(config, {
    ...{ store, clock, ids, log, signals, boxes: spooled ?? [], peers: peers.addresses },
    watched: wanted.has("controller") || wanted.has("spool"),
  });
  closers.push(() => trunks.watch.stop());
  const access = sipAccess(config, embedded?.devicesPort ?? null);
  const sip =
    access &&
    serveDevices(config, {
      store,
      clock,
      ids,
      log,
      signals,
      outbox,
      boxes: spooled ?? [],
      trunks: trunks.watch,
    });
  const edge = wanted.has("controller")
    ? openEdge(config, { store, clock, ids, log, health, watch: trunks.watch })
    : null;
  const changeParts: ChangeParts = {
    ...{ clock, ids, outbox, settlement, policy, trunks: trunks.choice, peers, traces, changed },
    legOver: countLegs(registry),
  };
  const controlled = {
    ...{ ...changeParts, log, media },
    questioner: new Questioner({ store, egress, secrets, clock, ids, log }),
    sipAddressOf: (host: string, signal: AbortSignal) => egress.sipAddressOf(host, signal),
    streams: { egress, secrets, clock, ids, log, ports: config.streamPorts },
    ticketed: (source: string | null) =>
      edge !== null &&
      (source === null ||
        source === config.edgeSip?.host ||
        !comesByItself(trunks.watch.trunks ?? [], source)),
    drains: health,
    loginFailed: (event: LoginFailed) => sip?.failures.take(event),
  };
  const calls = new Calls({
    ...changeParts,
    ...{ box: (preferred: readonly string[]) => health.pick(preferred), promptUrls: prompts.urls },
  });
  const endRecords = new EndRecords({
    ...{ ...changeParts, store, log },
    ending: async (leg, channel) => {
      for (const { controller } of led.values()) await controller.endStream(leg, channel);
    },
    ended: (leg, channel) => {
      for (const { controller } of led.values()) controller.forget(leg, channel);
    },
  });
  const conferences = new Conferences(changeParts);
  const recordings = createRecordings({ store, storage, clock, log });
  const people = { clock, ids, mails, publicUrl };
  const signIn = new SignIn(people, config.signUp);
  const { exports, erasures } = openPrivacy(config, {
    ...{ store, storage, secrets, mails, clock, ids, log },
    wanted: () => signals.tell("privacy", null),
  });

  const mpesa = await serveMpesa(config, {
    ...{ store, secrets, clock, ids, log, ledger, outbox, publicUrl },
    works: wanted.has("controller"),
  });
  closers.push(() => mpesa.close());

  let demoFile: string | null = null;
  const news = new RecordingNews(changeParts, publicUrl);
  const spool = createSpool({
    directory: config.spoolDir,
    boxes: spooled ?? [],
    store,
    storage,
    clock,
    log,
    isSettled: (leg) => endRecords.isSettled(leg),
    takeEndRecord: (text) => endRecords.take(text),
    recordingReady: (tx, row) => news.ready(tx, row),
    recordingEmpty: (tx, row) => news.empty(tx, row),
    recordingMissing: (tx, row) => news.missing(tx, row),
  });

  const webhookTried = countWebhooks(registry);
  registerMetrics(registry, {
    ...{ store: openedStore, clock, version: await version(), roles: wanted, trace: trace?.counts ?? null },
    ...{ health, boxes: boxNames, led, spool: wanted.has("spool") ? spool : null },
    folders: { data: config.dataDir, ...(wanted.has("spool") ? { spool: config.spoolDir } : {}) },
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
      const { directories, firewall } = sip;
      signals.listen("logins", () => {
        for (const directory of directories) directory.wake();
      });
      for (const directory of directories) runs(directory);
      signals.listen("bans", () => firewall?.wake());
      if (firewall) runs(firewall);
    }
    for (const files of trunks.files) runs(files);
  }
  let leases: Leases | null = null;
  if (wanted.has("controller")) {
    await media.makeFallback().catch((error: unknown) => {
      log.warn({ err: error }, "the tones that stand in for speech could not be kept yet");
    });
    const owners = new Owners(store);
    // Strays have no hurry: they are looked for each second.
    signals.listen("calls", (owner) => {
      if (boxNames.length === 1) led.get(boxNames[0])?.controller.changed(owner);
      else void owners.boxOf(owner).then((box) => led.get(box ?? "")?.controller.changed(owner));
    });
    signals.listen("directories", () => {
      for (const { devices } of led.values()) devices?.wake();
    });
    signals.listen("trunks", () => {
      for (const { gateways } of led.values()) gateways.wake();
    });
    signals.listen("privacy", () => doing?.privacyWanted());
    signals.listen("mails", () => doing?.mailSender.wake());
    signals.listen("deliveries", (destination) => doing?.deliverer.wake(destination));
    void warnOfAddresses(config, { clock, log });
    if (edge) runs(edge);
    if (sip) runs(sip.failures);
    const mailTransport = openMail(config);
    closers.push(() => mailTransport.close());
    // A renewal is not to wait behind what it is for; SQLite has one writer, and its own order.
    const apart =
      config.database.kind === "postgres"
        ? await openStore(config, { clock, transactionMsMax: renewalMsMax, connections: 2 })
        : null;
    if (apart) closers.push(() => apart.close());
    leases = new Leases({
      ...{ store: apart ?? store, clock, log, boxes: boxNames },
      controller: { id: await controllerId(config.dataDir, ids), host: hostname(), pid: process.pid },
      begin: (lease) => (lease.name === duties ? beginDuties(lease, mailTransport) : beginBox(lease)),
    });
  }
  const servers: HttpServer[] = [];
  // Beside each other: whoever is slow to ask us something keeps no box from another controller.
  closers.push(async () => {
    await Promise.all([leases?.stop(), ...servers.map((server) => server.close())]);
  });
  let draining = false;
  const readiness = {
    database: () => store.write(touch),
    ...(wanted.has("controller") ? { switch: () => answeringOrThrow(health, boxNames) } : {}),
    storage: async () => {
      if (!(await storage.healthy())) throw new SautikitError("storage.unavailable");
    },
  };
  if (config.metricsPort !== null) {
    const app = createOperatorsApp({ readiness, registry, clock, isDraining: () => draining });
    servers.push(await listen(app, { host: config.host, port: config.metricsPort, clock }));
  }
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
      deliverer: { wake },
      topUps: mpesa.topUps,
      callbacks: mpesa.callbacks,
      checkUrl: (url, field) => egress.checkUrl(url, field),
      checkSocketUrl: (url, field) => egress.checkSocketUrl(url, field),
      checkSipHost: (host, field) => egress.checkSipHost(host, field),
      paybill: config.paybill,
      storageLocation: config.s3.regionNote,
      readiness,
      isDraining: () => draining,
      trustedProxies: config.trustedProxies,
    });
    const server = await listen(app, { host: config.host, port: config.port, clock });
    baseUrl = server.url;
    servers.push(server);
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
  await leases?.start();
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

  function beginBox(lease: Lease): Promise<Work> {
    const of = configured.find(({ box }) => box === lease.name);
    if (of === undefined) throw new Error(`No box is configured as ${lease.name}.`);
    const { overEdge } = trunks;
    const one = new LedBox(of, config, lease, {
      ...{ ...controlled, store, letsDevicesIn: sip !== null, overEdge, trunks: trunks.choice },
      takesEndRecords: wanted.has("spool") && spooled?.includes(lease.name) === true,
    });
    led.set(lease.name, one);
    one.start();
    return Promise.resolve({
      isFit: () => one.isFit(),
      async stop() {
        await one.stop().finally(() => led.delete(lease.name));
      },
    });
  }

  function beginDuties(lease: Lease, mailTransport: MailTransport): Promise<Work> {
    const mine = new Duties(config, {
      ...{ ...controlled, store: fencedStore(store, lease), boxes: boxNames },
      ...{
        egress,
        secrets,
        mails,
        mailTransport,
        numbers,
        storage,
        promptUrls: prompts.urls,
        mpesa,
        publicUrl,
      },
      deliveriesPollMs: othersWrite ? othersPollMs : undefined,
      webhookTried,
    });
    doing = mine;
    mine.start();
    return Promise.resolve({
      isFit: () => mine.isFit(),
      async stop() {
        doing = null;
        await mine.stop();
      },
    });
  }

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

/** Any box: one of several that is away is the others' to bear, and no reason to take no requests. */
function answeringOrThrow(health: BoxHealth, boxes: readonly string[]): Promise<void> {
  return boxes.some((box) => health.isUp(box))
    ? Promise.resolve()
    : Promise.reject(new SautikitError("switch.unavailable"));
}

/** How the boxes reach each other: by the IPv4 address of their SIP. */
function peersOf(boxes: readonly BoxConfig[], health: BoxHealth): Peers & { addresses: string[] } {
  const reached = boxes.length > 1 ? boxes.filter(({ sip }) => isIPv4(sip.host)) : [];
  return {
    addresses: reached.map(({ sip }) => sip.host),
    addressOf: (name) => reached.find(({ box }) => box === name)?.sip ?? null,
    isUp: (name) => health.isUp(name),
    isAt: (address) => reached.some(({ sip }) => sip.host === address),
  };
}

/** A machine of several whose FREESWITCH_URLS was forgotten would send customers' calls to the simulated switch, and have a demo workspace paid there. */
async function refuseOthersDatabase(store: Store): Promise<void> {
  const real = (await store.read(boxStates)).map(({ name }) => name).filter((name) => name !== embeddedBox);
  if (real.length > 0)
    throw new Error(
      `FREESWITCH_URLS is empty, and calls of this database are on ${real.join(", ")}: set it, as on the other machines. The simulated switch wants a database of its own.`,
    );
}
