import fc from "fast-check";

/** In every hostile text, so that wherever one ends up it can be found. */
export const canary = "tumbili7";

/** What would run, redirect or split something, were it ever taken for more than text. */
const attacks = [
  ...[
    `\n\napi ${canary}\n\n`,
    `\r\n\r\nbgapi originate loopback/${canary} &park()\r\n\r\n`,
    `\nEvent-UUID: ${canary}`,
  ],
  ...[
    `\${system(${canary})}`,
    `\${hash(insert/a/b/${canary})}`,
    `$\${esl_password}${canary}`,
    `\${${canary}}`,
  ],
  ...[
    `,execute_on_answer='system ${canary}'`,
    `,api_on_answer=system ${canary}`,
    `'],api_hangup_hook='${canary}`,
  ],
  ...[`]sofia/gateway/carrier/+881600000000 &park() ${canary}`, `|user/${canary}`, `:_:error/${canary}`],
  ...[
    `,[origination_uuid=${canary}]sofia/gateway/carrier/+881600000000`,
    `^^:a=${canary}:b=c`,
    `{a=${canary}}`,
  ],
  ...[
    ` &lua(${canary}.lua)`,
    `' XML default ${canary}`,
    `@127.0.0.1:5060;maddr=${canary}`,
    `?X-Evil=${canary}`,
  ],
  ...[`%0a%0aapi%20${canary}`, `%00${canary}`, `\u0000${canary}`, `\u0085${canary}`, `\u2028${canary}`],
  ...[
    `/../../../etc/${canary}`,
    `file_string:///etc/${canary}!/dev/zero`,
    `shell_stream://${canary}`,
    `!${canary}`,
  ],
  ...[
    `\`${canary}\``,
    `$(${canary})`,
    `"${canary}"`,
    `\\'${canary}`,
    `<${canary}>`,
    `;${canary}=1`,
    `=${canary}`,
  ],
  ...[`__proto__.${canary}`, `' OR 1=1; DROP TABLE legs; -- ${canary}`, `${canary}\ud83d`, `\u202e${canary}`],
];

const text = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom(...attacks) },
  { weight: 2, arbitrary: fc.string({ unit: "grapheme", maxLength: 40 }).map((free) => `${free}${canary}`) },
  { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 40 }).map((free) => `${canary}${free}`) },
  { weight: 1, arbitrary: fc.integer({ min: 60, max: 3000 }).map((length) => canary.padEnd(length, "x")) },
);

/** Alone, or before, after or within something good. */
export const hostileText = (good: string): fc.Arbitrary<string> =>
  fc.tuple(text, fc.constantFrom("alone", "after", "before", "within")).map(([evil, where]) => {
    switch (where) {
      case "alone":
        return evil;
      case "after":
        return good + evil;
      case "before":
        return evil + good;
      case "within":
        return good.slice(0, 5) + evil + good.slice(5);
    }
  });

/** Of another type, or a number beyond what is allowed. */
export const hostileValue: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom(null, true, -1, 0, 0.5, 1e308, 2 ** 53, -(2 ** 31), [], {}, [[]], [canary], {
    [canary]: canary,
  }),
  fc.double({ noNaN: true }),
  fc.integer(),
  text,
);

/** A telephone number that is none, or none that may be called. */
export const hostileNumber: fc.Arbitrary<string> = fc.oneof(
  hostileText("+254700000486"),
  fc.constantFrom(
    ...[
      "+254700000486;ext=1",
      "+254 700 000 486",
      "tel:+254700000486",
      "sip:+254700000486@127.0.0.1",
      "254700000486",
    ],
    ...[
      "+٢٥٤٧٠٠٠٠٠٤٨٦",
      "＋254700000486",
      "+254700000486\u200b",
      "+2547000004861111",
      "+0254700000486",
      "+",
      "",
      "999",
      "112",
    ],
    ...[
      "+881600000000",
      "+870773123456",
      "+442079460000",
      "+254900123456",
      "+25420",
      "00254700000486",
      "+254700000486,1",
    ],
  ),
);
