import { magicPhones } from "../../../engine/simulator/daraja/behaviours.ts";
import { chance, type Chance } from "../../calls/troubled-box.ts";
import { controllerFailpoints, spoolFailpoints, type Failpoint } from "./failpoints.ts";

/**
 * What a seed's customer does, and what is done to everybody meanwhile: all of it drawn from the seed before anything is.
 * Times in ms: of an act and a fault since the seed's start, within an act since the act's.
 */
export interface Plan {
  seed: number;
  /** The one number of hers to begin with. */
  number: string;
  acts: Act[];
  faults: Fault[];
  /** Below this she is mailed and told, KES cents; null: she did not ask for it. */
  lowBalanceMinor: number | null;
}

/**
 * In a body `{prompt}`, `{voice}`, `{bot}` and `{device}` stand for what only the world knows: URLs, and her device's
 * username.
 */
export type Act = { atMs: number } & (
  | {
      kind: "call";
      /** Of POST /v1/calls, but for `from` and `events_url`. */
      body: Record<string, unknown>;
      /** How her server answers the call's questions, one after another. */
      documents: Document[];
      recordings: { afterMs: number; state: "on" | "off" | "paused" }[];
      /** Another document, or digits, in its middle. */
      steering: { afterMs: number; path: "actions" | "digits"; body: Record<string, unknown> } | null;
      hangUpAfterMs: number;
    }
  | {
      kind: "room";
      name: string;
      members: { to: string; conference: Record<string, unknown>; hangUpAfterMs: number }[];
      /** `member`: whose leg it is of; null: of the room. */
      commands: { afterMs: number; member: number | null; body: Record<string, unknown> }[];
    }
  | {
      kind: "inbound";
      from: string;
      documents: Document[];
      digits: string;
      recorded: boolean;
      hangUpAfterMs: number;
    }
  | { kind: "deviceCalls"; to: string; hangUpAfterMs: number }
  | {
      kind: "deviceIsCalled";
      answers: "answers" | "is busy" | "rings on";
      hangUpAfterMs: number;
      record: boolean;
    }
  | { kind: "topUp"; amountKes: number; phone: string; behaviour: string; askedTwice: boolean }
  | { kind: "payBill"; amountKes: number; account: "hers" | "nobody's" }
  | {
      kind: "claim";
      number: string;
      /** Two requests for it at the same time. */
      twice: boolean;
      /** So many months pass at once. */
      monthsLater: number;
      releases: boolean;
    }
  | { kind: "recordingDeleted"; to: string; hangUpAfterMs: number }
);
export type ActKind = Act["kind"];

type Document = Record<string, unknown>[];

export type Fault = { atMs: number } &
  /** kill -9, and started again at once. `at` null: whatever it is doing; `skip`: not the first time that it comes there. */
  (
    | { kind: "controller killed" | "spool killed"; at: Failpoint | null; skip: number }
    | { kind: "carrier killed" | "switch killed"; downMs: number }
    /** SIGSTOP, then SIGCONT: to its peers a host that answers nothing. */
    | { kind: "controller stopped" | "switch stopped"; forMs: number }
    /** Events of the switch are lost, come twice, or late and so in another order. */
    | { kind: "events spoilt"; forMs: number; lost: number; doubled: number; late: number }
    /** Nothing gets through, either way, and nobody is told; then the connections are reset. */
    | { kind: "event socket silent"; forMs: number }
    | { kind: "event socket reset" }
    | { kind: "storage spoilt"; forMs: number; how: StorageFault }
    | { kind: "clock stepped"; forMs: number; byMs: number }
    | { kind: "database locked"; forMs: number }
    | { kind: "M-Pesa spoilt"; how: "html" | "spike" | "drop" | "stale_token" | "unauthorised" }
  );
export const faultKindsOf = [
  ...["controller killed", "spool killed", "carrier killed", "switch killed", "controller stopped"],
  ...["switch stopped", "events spoilt", "event socket silent", "event socket reset", "storage spoilt"],
  ...["clock stepped", "database locked", "M-Pesa spoilt"],
] as readonly Fault["kind"][];
export const storageFaults = ["down", "refuses", "hangs", "other bytes", "keeps nothing"] as const;
export type StorageFault = (typeof storageFaults)[number];

/** How far the clock is set wrong. */
export const clockStepMs = 3_600_000;

export function planOf(seed: number): Plan {
  const draw = chance(seed);
  const acts = Array.from({ length: 1 + Math.floor(draw() * 2) }, (_, index) => oneAct(draw, seed, index));
  const onTheWay = controllerFailpoints.filter((point) =>
    acts.some(({ kind }) => passes[kind].test(point) || always.test(point)),
  );
  const faults = [oneFault(draw, onTheWay)];
  while (draw() < 0.25) faults.push(oneFault(draw, onTheWay));
  return {
    ...{ seed, number: number(1, seed), acts, faults },
    lowBalanceMinor: draw() < 0.2 ? 999_950 : null,
  };
}

/** A number of hers, or one that she may claim: `block` and seven digits. */
const number = (block: number, seed: number) =>
  `+25420${String(block * 1_000_000 + (seed % 1_000_000)).padStart(7, "0")}`;
/** `+25471…` rings for a second and then answers: a phone that nobody else calls. */
const phone = (seed: number, index: number, party: number) =>
  `+25471${String((seed * 12 + index * 4 + party) % 10_000_000).padStart(7, "0")}`;

const answers = ["+254700000001", "+254700000002", "+254700000005", "+254700000006"];
const refuses = ["404", "480", "486", "503", "603"].map((status) => `+254700000${status}`);
const announces = ["+254700000183", "+254700000185"];
const hangsUpAfter3s = "+254700000103";
const pressesKeys = "+254700000012";
const sendsDigitsBack = "+254700000004";
const speaksAndPauses = "+254700000008";
const ringsForEver = "+254700000180";

type Drawn = (
  draw: Chance,
  seed: number,
  index: number,
) => Omit<Extract<Act, { kind: "call" }>, "atMs" | "kind">;

const weights: readonly [weight: number, of: (draw: Chance, seed: number, index: number) => Act][] = [
  [20, (draw, seed, index) => callOf(plainCall)(draw, seed, index)],
  [6, (draw, seed, index) => callOf(toggledCall)(draw, seed, index)],
  [12, (draw, seed, index) => callOf(dialCall)(draw, seed, index)],
  [16, (draw, seed, index) => callOf(documentCall)(draw, seed, index)],
  [6, (draw, seed, index) => callOf(steeredCall)(draw, seed, index)],
  [4, (draw, seed, index) => callOf(streamCall)(draw, seed, index)],
  [8, room],
  [8, inbound],
  [4, deviceCalls],
  [4, deviceIsCalled],
  [9, topUp],
  [4, payBill],
  [7, claim],
  [3, recordingDeleted],
];

function oneAct(draw: Chance, seed: number, index: number): Act {
  let left = draw() * weights.reduce((sum, [weight]) => sum + weight, 0);
  for (const [weight, of] of weights) if ((left -= weight) < 0) return of(draw, seed, index);
  return room(draw, seed, index);
}

const ms = (draw: Chance, from: number, to: number) => Math.round(from + draw() * (to - from));
const pick = <T>(draw: Chance, of: readonly T[]): T => of[Math.floor(draw() * of.length)]!;
const atMs = (draw: Chance, index: number) => index * 400 + ms(draw, 0, 400);

const callOf =
  (of: Drawn) =>
  (draw: Chance, seed: number, index: number): Act => ({
    ...{ kind: "call", atMs: atMs(draw, index) },
    ...of(draw, seed, index),
  });
const noMore = { documents: [], recordings: [], steering: null };

function recordOf(draw: Chance): Record<string, unknown> {
  const drawn = draw();
  if (drawn < 0.35) return { record: true };
  return drawn < 0.5 ? { record: "from-ringing" } : {};
}

const plainCall: Drawn = (draw, seed, index) => {
  const own = phone(seed, index, 0);
  const drawn = draw();
  const more = recordOf(draw);
  const call = { ...noMore, hangUpAfterMs: ms(draw, 200, 2_500) };
  if (drawn < 0.4) return { ...call, body: { to: own, ...more } };
  if (drawn < 0.5) return { ...call, body: { to: pick(draw, answers), ...more } };
  // Of several only the one that answers is recorded.
  if (drawn < 0.62) return { ...call, body: { to: several(draw, own), record: "record" in more } };
  if (drawn < 0.72) return { ...call, body: { to: pick(draw, refuses), ...more } };
  if (drawn < 0.82) return { ...call, body: { to: pick(draw, announces), ...more } };
  if (drawn < 0.9) return { ...call, body: { to: hangsUpAfter3s, ...more }, hangUpAfterMs: 4_000 };
  return { ...call, body: { to: ringsForEver, ring_timeout_seconds: 5, ...more } };
};

/** Beside it up to two that answer in the same instant, refuse, or ring on. */
function several(draw: Chance, number: string): string[] {
  const others = Array.from({ length: 2 }, () =>
    pick(draw, [...answers, ...answers, pick(draw, refuses), ringsForEver]),
  );
  return [...new Set([number, ...others])].sort(() => draw() - 0.5);
}

/** Recorded in pieces, one of them silent in its middle. */
const toggledCall: Drawn = (draw) => {
  let afterMs = 0;
  const recordings = (["on", "paused", "on", "off", "on"] as const).map((state) => ({
    ...{ afterMs: (afterMs += ms(draw, 150, 600)), state },
  }));
  return {
    ...noMore,
    body: { to: pick(draw, answers) },
    recordings,
    hangUpAfterMs: afterMs + ms(draw, 150, 600),
  };
};

const dialCall: Drawn = (draw, seed, index) => {
  const callee = pick(draw, [
    phone(seed, index, 1),
    phone(seed, index, 1),
    hangsUpAfter3s,
    pick(draw, refuses),
  ]);
  const whom = draw() < 0.3 ? { numbers: several(draw, callee) } : { number: callee };
  const dial = { ...whom, timeout: 8, record: draw() < 0.5 };
  const then = draw() < 0.5 ? { wait: { seconds: 1 } } : { hangup: {} };
  return {
    ...noMore,
    body: { to: phone(seed, index, 0), ...recordOf(draw), actions: [{ dial }, then] },
    hangUpAfterMs: ms(draw, 1_500, 4_500),
  };
};

/** A document that is in the middle of something at any time. */
const steps: readonly ((draw: Chance) => [to: string, document: Document])[] = [
  () => [answers[0]!, [{ play: { url: "{prompt}" } }, { play: { url: "{prompt}", loop: 2 } }]],
  () => [answers[0]!, [{ say: { text: "Karibu.", language: "sw-KE" } }, { wait: { seconds: 1 } }]],
  () => [pressesKeys, [{ getDigits: { numDigits: 2, timeout: 3, nested: [{ play: { url: "{prompt}" } }] } }]],
  () => [answers[0]!, [{ getDigits: { timeout: 1 } }, { play: { url: "{prompt}" } }]],
  () => [speaksAndPauses, [{ record: { timeout: 1, maxLength: 2 } }, { wait: { seconds: 1 } }]],
  () => [answers[1]!, [{ record: { timeout: 5, maxLength: 1, trim: "trim-silence" } }]],
  () => [sendsDigitsBack, [{ sendDigits: { digits: "12" } }, { wait: { seconds: 1 } }]],
  () => [answers[0]!, [{ redirect: { url: "{voice}" } }]],
  () => [answers[0]!, [{ wait: { seconds: 1 } }, { hangup: {} }]],
];

const documentCall: Drawn = (draw) => {
  const [to, actions] = pick(draw, steps)(draw);
  const next: Document[] = [[{ play: { url: "{prompt}" } }], [{ wait: { seconds: 1 } }, { hangup: {} }]];
  const asked = draw() < 0.5;
  return {
    ...noMore,
    body: { to, ...recordOf(draw), voice_callback_url: "{voice}", ...(asked ? {} : { actions }) },
    documents: asked ? [actions, ...next] : next,
    hangUpAfterMs: ms(draw, 1_000, 5_000),
  };
};

const steeredCall: Drawn = (draw, seed, index) => {
  const dial = { dial: { number: phone(seed, index, 1), timeout: 8 } };
  const to = draw() < 0.5 ? pick(draw, answers) : phone(seed, index, 0);
  const drawn = draw();
  const steering =
    drawn < 0.3
      ? { path: "digits" as const, body: { digits: "5#" } }
      : {
          path: "actions" as const,
          body: { actions: drawn < 0.7 ? [dial] : [{ play: { url: "{prompt}" } }] },
        };
  return {
    ...noMore,
    body: { to, ...recordOf(draw), actions: [{ wait: { seconds: 3 } }] },
    steering: { afterMs: ms(draw, 300, 2_000), ...steering },
    hangUpAfterMs: ms(draw, 2_500, 5_000),
  };
};

const streamCall: Drawn = (draw) => ({
  ...noMore,
  body: {
    ...{ to: pick(draw, answers), ...recordOf(draw) },
    actions: [{ stream: { url: "{bot}", connect: draw() < 0.5 } }, { wait: { seconds: 1 } }],
  },
  hangUpAfterMs: ms(draw, 1_000, 4_000),
});

function room(draw: Chance, seed: number, index: number): Act {
  const members = Array.from({ length: 2 + Math.floor(draw() * 1.4) }, (_, member) => ({
    to: draw() < 0.5 ? pick(draw, answers) : phone(seed, index, member),
    conference: {
      ...{ beep: draw() < 0.3, muted: draw() < 0.2, record: draw() < 0.4 },
      ...{ startOnEnter: member > 0 || draw() < 0.6, endOnExit: member === 1 && draw() < 0.4 },
    },
    hangUpAfterMs: ms(draw, 2_000, 5_000),
  }));
  const commands = Array.from({ length: Math.floor(draw() * 3) }, () => {
    const command = pick(draw, ["mute", "hold", "kick", "lock", "play", "end"] as const);
    const member = ["mute", "hold", "kick"].includes(command) ? Math.floor(draw() * members.length) : null;
    const body = { command, ...(command === "play" ? { url: "{prompt}" } : {}) };
    return { afterMs: ms(draw, 500, 3_000), member, body };
  });
  return { ...{ kind: "room", atMs: atMs(draw, index), name: `room-${seed}-${index}`, members, commands } };
}

function inbound(draw: Chance, seed: number, index: number): Act {
  const documents = pick<Document[]>(draw, [
    [[{ play: { url: "{prompt}" } }, { hangup: {} }]],
    [
      [{ getDigits: { numDigits: 1, timeout: 2, nested: [{ play: { url: "{prompt}" } }] } }],
      [{ hangup: {} }],
    ],
    [[{ dial: { number: phone(seed, index, 1), timeout: 8, record: draw() < 0.5 } }]],
    [[{ record: { timeout: 1, maxLength: 2 } }], [{ hangup: {} }]],
    [[{ reject: { reason: "busy" } }]],
    [],
  ]);
  return {
    ...{ kind: "inbound", atMs: atMs(draw, index), from: phone(seed, index, 3), documents },
    ...{ digits: draw() < 0.5 ? "7" : "", recorded: draw() < 0.3, hangUpAfterMs: ms(draw, 800, 4_000) },
  };
}

function deviceCalls(draw: Chance, seed: number, index: number): Act {
  return {
    ...{ kind: "deviceCalls", atMs: atMs(draw, index) },
    ...{
      to: draw() < 0.8 ? phone(seed, index, 1) : pick(draw, refuses),
      hangUpAfterMs: ms(draw, 1_500, 3_500),
    },
  };
}

function deviceIsCalled(draw: Chance, _seed: number, index: number): Act {
  return {
    ...{ kind: "deviceIsCalled", atMs: atMs(draw, index) },
    ...{ answers: pick(draw, ["answers", "answers", "is busy", "rings on"] as const) },
    ...{ hangUpAfterMs: ms(draw, 1_500, 3_500), record: draw() < 0.4 },
  };
}

/** Phones of docs/mpesa.md, but those whose outcome nobody knows for an hour. */
export const phoneBehaviours = ["pays", ...Object.keys(magicPhones).filter((key) => !key.endsWith("001037"))];

function topUp(draw: Chance, seed: number, index: number): Act {
  return {
    ...{ kind: "topUp", atMs: atMs(draw, index), amountKes: 100 + Math.floor(draw() * 900) },
    ...{ phone: `+25472${String((seed * 4 + index) % 10_000_000).padStart(7, "0")}` },
    ...{ behaviour: draw() < 0.4 ? "pays" : pick(draw, phoneBehaviours), askedTwice: draw() < 0.3 },
  };
}

function payBill(draw: Chance, _seed: number, index: number): Act {
  return {
    ...{ kind: "payBill", atMs: atMs(draw, index), amountKes: 50 + Math.floor(draw() * 500) },
    account: draw() < 0.8 ? "hers" : "nobody's",
  };
}

function claim(draw: Chance, seed: number, index: number): Act {
  return {
    ...{ kind: "claim", atMs: atMs(draw, index), number: number(2 + index, seed), twice: draw() < 0.4 },
    ...{ monthsLater: draw() < 0.6 ? 1 + Math.floor(draw() * 2) : 0, releases: draw() < 0.3 },
  };
}

function recordingDeleted(draw: Chance, _seed: number, index: number): Act {
  return {
    ...{ kind: "recordingDeleted", atMs: atMs(draw, index), to: pick(draw, answers) },
    hangUpAfterMs: ms(draw, 500, 1_500),
  };
}

const always =
  /answer$|commit (idempotent_responses|audit_entries|deliver|webhook_endpoints|boxes)|webhook|command show/;
const ofCalls = /commit (calls|legs|call_events|intents|cdrs|ledger|wallet_days|recordings)|command|question/;
const ofDevices = /commit sip_|command/;
/** Failpoints that an act is likely to come by. */
const passes: Record<ActKind, RegExp> = {
  call: ofCalls,
  room: /commit (conference|calls|legs|call_events|intents)|command (conference|uuid_transfer|originate)/,
  inbound: ofCalls,
  deviceCalls: ofDevices,
  deviceIsCalled: ofDevices,
  topUp: /commit (topups|mpesa|ledger|wallet_days)|push|pull/,
  payBill: /commit (mpesa|ledger|wallet_days)/,
  claim: /commit (number|ledger|wallet_days|mails)|put mail/,
  recordingDeleted: /commit (recordings|legs|ledger|mails)|put mail/,
};

const faultWeights: readonly [weight: number, of: (draw: Chance, onTheWay: readonly Failpoint[]) => Fault][] =
  [
    [18, (draw, onTheWay) => killed(draw, "controller killed", onTheWay)],
    [2, (draw) => killed(draw, "controller killed", controllerFailpoints)],
    [4, (draw) => killed(draw, "controller killed", null)],
    [5, (draw) => killed(draw, "spool killed", spoolFailpoints)],
    [2, (draw) => killed(draw, "spool killed", null)],
    [3, (draw) => ({ kind: "carrier killed", atMs: at(draw), downMs: ms(draw, 0, 800) })],
    [3, (draw) => ({ kind: "switch killed", atMs: at(draw), downMs: ms(draw, 0, 800) })],
    [4, (draw) => ({ kind: "controller stopped", atMs: at(draw), forMs: ms(draw, 300, 2_500) })],
    [3, (draw) => ({ kind: "switch stopped", atMs: at(draw), forMs: ms(draw, 300, 2_500) })],
    [10, eventsSpoilt],
    [4, (draw) => ({ kind: "event socket silent", atMs: at(draw), forMs: ms(draw, 500, 4_000) })],
    [5, (draw) => ({ kind: "event socket reset", atMs: at(draw) })],
    [
      8,
      (draw) => ({
        kind: "storage spoilt",
        atMs: at(draw),
        forMs: ms(draw, 500, 2_500),
        how: pick(draw, storageFaults),
      }),
    ],
    [
      4,
      (draw) => ({
        kind: "clock stepped",
        atMs: at(draw),
        forMs: ms(draw, 500, 3_000),
        byMs: pick(draw, [clockStepMs, -clockStepMs]),
      }),
    ],
    [4, (draw) => ({ kind: "database locked", atMs: at(draw), forMs: ms(draw, 200, 2_500) })],
    [
      3,
      (draw) => ({
        kind: "M-Pesa spoilt",
        atMs: at(draw),
        how: pick(draw, ["html", "spike", "drop", "stale_token", "unauthorised"] as const),
      }),
    ],
  ];
const at = (draw: Chance) => ms(draw, 0, 2_000);

function oneFault(draw: Chance, onTheWay: readonly Failpoint[]): Fault {
  let left = draw() * faultWeights.reduce((sum, [weight]) => sum + weight, 0);
  for (const [weight, of] of faultWeights) if ((left -= weight) < 0) return of(draw, onTheWay);
  return eventsSpoilt(draw);
}

function killed(
  draw: Chance,
  kind: "controller killed" | "spool killed",
  points: readonly Failpoint[] | null,
): Fault {
  const at_ = points === null ? null : pick(draw, points);
  return { kind, atMs: at(draw), at: at_, skip: draw() < 0.6 ? 0 : Math.floor(draw() * 4) };
}

function eventsSpoilt(draw: Chance): Fault {
  return {
    ...{ kind: "events spoilt", atMs: at(draw), forMs: ms(draw, 500, 3_000) },
    ...{ lost: draw() * 0.5, doubled: draw() * 0.4, late: draw() * 0.4 },
  };
}
