/** How a called party of the simulated carrier behaves. Times in ms, tones in Hz. */
export interface Behaviour {
  /** For people: the table in the README is made of these. */
  readonly description: string;
  /** Rings (180), or is early media (183) with the announcement's tone, before the outcome. 0: at once, without either. */
  readonly beforeMs: number;
  readonly announcementHz?: number;
  readonly outcome:
    | { readonly kind: "answer"; readonly answer: Answer }
    | { readonly kind: "refuse"; readonly status: number }
    | { readonly kind: "ringOn" };
}

export interface Answer {
  /** The party's own voice; null: it only sends back what it hears. */
  readonly toneHz: number | null;
  /** Speaks as quietly as anybody does (-35 dBFS), for the first time and pauses for the second, over and over, ms. */
  readonly pauses?: readonly [number, number];
  /** Presses these keys, `w` for half a second of nothing. */
  readonly types?: string;
  /** How long it presses each. */
  readonly holdsKeysMs?: number;
  readonly hangUpAfterMs?: number;
  /** Each digit heard is sent back. */
  readonly repeatsDigits?: boolean;
  /** Every n-th packet is lost on the way out; 1: all of them. */
  readonly losesEvery?: number;
}

const answers = (toneHz: number | null, more: Omit<Answer, "toneHz"> = {}): Behaviour["outcome"] => ({
  kind: "answer",
  answer: { toneHz, ...more },
});
const hangsUpAfter = (seconds: number): Behaviour["outcome"] =>
  answers(440, { hangUpAfterMs: seconds * 1000 });
const refuses = (status: number): Behaviour["outcome"] => ({ kind: "refuse", status });

/**
 * The numbers with a behaviour of their own. Refusals end in their SIP status, 1NN hangs up after NN seconds, and all
 * are valid Kenyan mobile numbers.
 */
export const magicNumbers: Readonly<Record<string, Behaviour>> = {
  "+254700000001": { description: "answers at once with 440 Hz", beforeMs: 0, outcome: answers(440) },
  "+254700000002": { description: "answers at once with 880 Hz", beforeMs: 0, outcome: answers(880) },
  "+254700000003": {
    description: "rings for 5 s, then answers with 440 Hz",
    beforeMs: 5000,
    outcome: answers(440),
  },
  "+254700000004": {
    description: "answers at once with 440 Hz and sends each digit back",
    beforeMs: 0,
    outcome: answers(440, { repeatsDigits: true }),
  },
  "+254700000005": {
    description: "answers at once and sends back the audio it hears",
    beforeMs: 0,
    outcome: answers(null),
  },
  "+254700000006": {
    description: "answers at once with 440 Hz; a third of its packets is lost",
    beforeMs: 0,
    outcome: answers(440, { losesEvery: 3 }),
  },
  "+254700000007": {
    description: "answers at once; none of its packets arrives",
    beforeMs: 0,
    outcome: answers(440, { losesEvery: 1 }),
  },
  "+254700000008": {
    description: "answers at once, speaks softly (440 Hz) for 1 s and pauses for 2 s, over and over",
    beforeMs: 0,
    outcome: answers(440, { pauses: [1000, 2000] }),
  },
  "+254700000012": {
    description: "answers at once with 440 Hz, presses 1, 2 and # after 2 s",
    beforeMs: 0,
    outcome: answers(440, { types: "wwww12#" }),
  },
  "+254700000013": {
    description: "answers at once with 440 Hz, after 1 s presses 5 and holds it for 3 s",
    beforeMs: 0,
    outcome: answers(440, { types: "ww5", holdsKeysMs: 3000 }),
  },
  "+254700000103": {
    description: "answers at once with 440 Hz, hangs up after 3 s",
    beforeMs: 0,
    outcome: hangsUpAfter(3),
  },
  "+254700000110": {
    description: "answers at once with 440 Hz, hangs up after 10 s",
    beforeMs: 0,
    outcome: hangsUpAfter(10),
  },
  "+254700000147": {
    description: "answers at once with 440 Hz, hangs up after 47 s",
    beforeMs: 0,
    outcome: hangsUpAfter(47),
  },
  "+254700000180": {
    description: "rings for ever, never answers",
    beforeMs: 0,
    outcome: { kind: "ringOn" },
  },
  "+254700000183": {
    description: "plays an announcement (620 Hz) for 2 s unanswered, then answers with 880 Hz",
    beforeMs: 2000,
    announcementHz: 620,
    outcome: answers(880),
  },
  "+254700000185": {
    description: "plays an announcement (620 Hz) for 2 s, then is not available (480)",
    beforeMs: 2000,
    announcementHz: 620,
    outcome: refuses(480),
  },
  "+254700000404": { description: "is not allocated (404)", beforeMs: 0, outcome: refuses(404) },
  "+254700000480": {
    description: "is temporarily unavailable (480)",
    beforeMs: 0,
    outcome: refuses(480),
  },
  "+254700000486": { description: "is busy (486)", beforeMs: 0, outcome: refuses(486) },
  "+254700000503": {
    description: "cannot be reached: the carrier has no capacity (503)",
    beforeMs: 0,
    outcome: refuses(503),
  },
  "+254700000603": {
    description: "rings for 1 s, then rejects the call (603)",
    beforeMs: 1000,
    outcome: refuses(603),
  },
};

export const anyOtherNumber: Behaviour = {
  description: "rings for 1 s, then answers with 440 Hz and stays until hung up",
  beforeMs: 1000,
  outcome: answers(440),
};

export const behaviourOf = (number: string): Behaviour => magicNumbers[number] ?? anyOtherNumber;

/** The number dialled in E.164, however the trunk was told to write it: `254…`, `00254…` or `07…`; else as it came. */
export function dialledNumber(user: string): string {
  const digits = user.replace(/;.*$/, "").replace(/^\+/, "");
  if (!/^\d+$/.test(digits)) return user;
  if (/^0[17]\d{8}$/.test(digits)) return `+254${digits.slice(1)}`;
  return `+${digits.replace(/^00/, "")}`;
}
