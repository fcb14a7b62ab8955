import fc from "fast-check";
import { z } from "zod";
import { verbs } from "../../../engine/actions/document.ts";

/** What a generated document may name: places and people that there are. */
export interface Known {
  /** http(s), that plays. */
  prompt: string;
  /** http(s), that answers questions. */
  voice: string;
  /** ws, where nobody speaks WebSocket. */
  socket: string;
  numbers: readonly string[];
}

/** As much of JSON Schema as the verbs' schemas have. */
interface Schema {
  type?: string;
  enum?: unknown[];
  const?: unknown;
  anyOf?: Schema[];
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  minItems?: number;
  maxItems?: number;
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  pattern?: string;
  format?: string;
  additionalProperties?: unknown;
}

type Item = Record<string, unknown>;

/** For each verb there is, items that its schema takes: as short as can be, so that calls are. */
export function validItems(known: Known): Map<string, fc.Arbitrary<Item>> {
  const schemaOf = (schema: z.ZodType) =>
    z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }) as Schema;
  return new Map(
    Object.values(verbs).map(({ name, schema }) => [
      name,
      fitting(schemaOf(schema), name, known)
        // What JSON Schema cannot say: exactly one of, ws or http.
        .filter((spec) => schema.safeParse(spec).success)
        .map((spec) => ({ [name]: spec })),
    ]),
  );
}

function fitting(schema: Schema, key: string, known: Known): fc.Arbitrary<unknown> {
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.enum) return fc.constantFrom(...schema.enum);
  if (schema.anyOf) return fc.oneof(...schema.anyOf.map((one) => fitting(one, key, known)));
  switch (schema.type) {
    case "object":
      return fittingObject(schema, known);
    case "array": {
      const { minItems = 0, maxItems = 3 } = schema;
      return fc.array(fitting(schema.items ?? {}, key, known), {
        minLength: minItems,
        maxLength: Math.min(maxItems, minItems + 2),
      });
    }
    case "boolean":
      return fc.boolean();
    case "integer":
    case "number": {
      const { minimum = 0, maximum = minimum + 1 } = schema;
      return fc.constantFrom(minimum, Math.min(minimum + 1, maximum));
    }
    default:
      return fittingText(schema, key, known);
  }
}

function fittingObject({ properties = {}, required = [], additionalProperties }: Schema, known: Known) {
  const fields = Object.fromEntries(
    Object.entries(properties).map(([name, schema]) => [name, fitting(schema, name, known)]),
  );
  const closed = fc.record(fields, { requiredKeys: required, noNullPrototype: true });
  if (typeof additionalProperties !== "object" || additionalProperties === null) return closed;
  const more = fc.dictionary(fc.string({ maxLength: 5 }), fitting(additionalProperties, "", known), {
    maxKeys: 2,
    noNullPrototype: true,
  });
  return fc.tuple(more, closed).map(([free, named]) => ({ ...free, ...named }));
}

function fittingText(
  { pattern, format, minLength = 0, maxLength = 20 }: Schema,
  key: string,
  known: Known,
): fc.Arbitrary<string> {
  if (format === "uri" || /url|action$/i.test(key))
    return fc.constantFrom(key === "url" ? known.prompt : known.voice, known.prompt, known.socket);
  if (pattern !== undefined) {
    const fits = known.numbers.filter((number) => new RegExp(pattern).test(number));
    const free = fc.stringMatching(new RegExp(pattern), { size: "xsmall" });
    return fits.length === 0 ? free : fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...fits) }, free);
  }
  return fc.string({ unit: "grapheme", minLength, maxLength: Math.min(maxLength, Math.max(minLength, 12)) });
}

/** A verb's own item, with up to two others before or behind it. */
export function validDocument(items: Map<string, fc.Arbitrary<Item>>, verb: string): fc.Arbitrary<Item[]> {
  // What asks for another document, or never ends by itself, ends this one.
  const others = fc.oneof(...[...items].filter(([name]) => !isLast(name)).map(([, item]) => item));
  return fc
    .tuple(fc.array(others, { maxLength: 1 }), items.get(verb) ?? others, fc.array(others, { maxLength: 1 }))
    .map(([before, item, behind]) => [...before, item, ...behind].map(ending));
}

/** Two who talk, and of whom nobody hangs up, talk for hours. */
function ending(item: Item): Item {
  const { dial } = item as { dial?: { maxDuration?: number } };
  return dial === undefined ? item : { dial: { maxDuration: 11, ...dial } };
}

export const isLast = (verb: string) => ["redirect", "reject", "hangup", "conference"].includes(verb);

const deep = (levels: number) => fc.constant(JSON.parse("[".repeat(levels) + "]".repeat(levels)) as unknown);

const badValue = fc.oneof(
  fc.constantFrom<unknown>(null, true, 0, -1, 1.5, 1e308, -0, [], {}, "", " ", "1", "5", "true", "null"),
  fc.constantFrom<unknown>(["1"], [[]], { 0: "a" }, "\u0000", "\ud83d", "\u202e", "٣", "٢٥٤", "1e3", "0x10"),
  fc.integer({ min: 1000, max: 100_000 }).map((length) => "x".repeat(length)),
  fc.string({ unit: "binary", maxLength: 30 }),
  fc.integer().map(String),
  deep(20),
  deep(2000),
  fc.anything({ withNullPrototype: false }),
);
const badKey = fc.oneof(
  fc.constantFrom("__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "valueOf", "length"),
  fc.constantFrom("", " ", "Say", "say ", "SAY", "url\u0000", "0", "$ref"),
  fc.string({ unit: "grapheme", maxLength: 8 }),
);

/** Documents that are right but for one thing, and some that have nothing right, as the JSON they come in. */
export function spoiltDocument(valid: fc.Arbitrary<Item[]>): fc.Arbitrary<string> {
  const spoilt = fc
    .tuple(
      valid,
      fc.nat(),
      fc.oneof(
        badValue.map((value) => ({ value })),
        badKey.map((key) => ({ key })),
      ),
      badValue,
    )
    .map(([document, at, spoil, value]) => {
      const places = placesIn(document);
      const place = places[at % places.length] ?? [];
      return "value" in spoil
        ? replaced(document, place, spoil.value)
        : added(document, place, spoil.key, value);
    });
  return fc
    .oneof(
      { weight: 8, arbitrary: spoilt },
      { weight: 1, arbitrary: valid.map((document) => Array.from({ length: 51 }, () => document[0])) },
      { weight: 1, arbitrary: valid.map((document) => [Object.assign({}, ...document, { hangup: {} })]) },
      { weight: 1, arbitrary: badValue },
      { weight: 1, arbitrary: badKey.map((key) => [JSON.parse(`{${JSON.stringify(key)}:{}}`)]) },
    )
    .map((document: unknown) => JSON.stringify(document === undefined ? null : document));
}

type Path = (string | number)[];

/** Every value in it, the document itself too. */
function placesIn(value: unknown, path: Path = []): Path[] {
  if (typeof value !== "object" || value === null) return [path];
  const keys = Array.isArray(value) ? [...value.keys()] : Object.keys(value);
  return [path, ...keys.flatMap((key) => placesIn((value as Item)[key], [...path, key]))];
}

function replaced(value: unknown, [key, ...rest]: Path, by: unknown): unknown {
  if (key === undefined) return by;
  const copy = (Array.isArray(value) ? [...(value as unknown[])] : { ...(value as Item) }) as Item;
  copy[key] = replaced(copy[key], rest, by);
  return copy;
}

/** A key of its own, whatever its name is. */
function added(value: unknown, [key, ...rest]: Path, name: string, inner: unknown): unknown {
  if (key === undefined) {
    const object = typeof value === "object" && !Array.isArray(value) ? { ...value } : {};
    return Object.defineProperty(object, name, { value: inner, enumerable: true });
  }
  const copy = (Array.isArray(value) ? [...(value as unknown[])] : { ...(value as Item) }) as Item;
  copy[key] = added(copy[key], rest, name, inner);
  return copy;
}
