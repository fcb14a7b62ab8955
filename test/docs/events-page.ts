import { z } from "zod";
import { callEvents, webhookEvents } from "../../api/schemas/event.ts";
import { verbs } from "../../engine/actions/document.ts";
import { conferenceEventKinds } from "../../engine/calls/event-kinds.ts";

interface Field {
  type?: string | string[];
  format?: string;
  description?: string;
  enum?: unknown[];
  const?: unknown;
  anyOf?: Field[];
  $ref?: string;
  items?: Field;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
}

/** docs/events.md, written from the schemas that the OpenAPI document is made from. */
export function eventsPage(): string {
  const ofEveryCall = fieldsOf(callEvents["call.started"].data);
  const common = new Set(ofEveryCall.map(([name]) => name));
  // What a kind says of a common field itself stays in its list.
  const own = (data: z.ZodType) =>
    fieldsOf(data).filter(
      ([name, field]) =>
        !common.has(name) ||
        !ofEveryCall.some(([, other]) => JSON.stringify(other) === JSON.stringify(field)),
    );
  return (
    [
      "# Events and voice actions",
      "Written from the schemas in the code, which the OpenAPI document (`/v1/openapi.json`) is made from too; a test keeps it so.",
      "## Events told by webhook",
      "The envelope, the signatures and the retries are in [webhooks.md](webhooks.md). Here is what `data` holds; the same is the " +
        "`payload` of the call's event. Every `call.*` kind has:",
      list(ofEveryCall),
      ...Object.entries(webhookEvents)
        .filter(([kind]) => !kind.startsWith("conference."))
        .flatMap(([kind, { happened, data }]) =>
          section(kind, happened, kind.startsWith("call.") ? own(data) : fieldsOf(data)),
        ),
      "## Events of a conference",
      "On the call of each member, and told to the `statusEventsCallbackUrl` of its `conference` action, if it has one and " +
        "`statusEvents` does not leave the kind out. Each has what every `call.*` kind has, but `sequence`, and:",
      ...conferenceEventKinds.flatMap((kind) =>
        section(kind, callEvents[kind].happened, own(callEvents[kind].data)),
      ),
      "## Events on the call alone",
      "In `GET /v1/calls/{id}` and `GET /v1/calls/{id}/events`, between those above; `payload` holds just this.",
      ...Object.entries(callEvents)
        .filter(([kind]) => !/^(call|conference)\./.test(kind))
        .flatMap(([kind, { happened, data }]) => section(kind, happened, fieldsOf(data))),
      "## Voice actions",
      'A voice document is an array of 1 to 50 of these, `[{"play": {"url": "https://…"}}, {"hangup": {}}]`, checked whole before the ' +
        "call is placed. They run one after another once the call is answered; after the last one the call hangs up.",
      ...Object.values(verbs).flatMap(({ name, meaning, schema }) =>
        section(name, meaning, fieldsOf(schema)),
      ),
    ].join("\n\n") + "\n"
  );
}

const section = (title: string, meaning: string, fields: [string, Field, boolean][]) => [
  `### \`${title}\``,
  meaning,
  ...(fields.length > 0 ? [list(fields)] : []),
];

const list = (fields: [string, Field, boolean][]) =>
  fields
    .map(([name, field, required]) => {
      const about = [typeOf(field) + (required ? "" : ", optional"), range(field)].filter(Boolean).join(", ");
      return `- \`${name}\` (${about})${meaningOf(field)}`;
    })
    .join("\n");

/** A description that is a list itself stands below. */
function meaningOf({ description }: Field): string {
  if (description === undefined) return "";
  return description.startsWith("- ") ? `:\n  ${description.replaceAll("\n", "\n  ")}` : `: ${description}`;
}

function fieldsOf(schema: z.ZodType): [string, Field, boolean][] {
  const json = z.toJSONSchema(schema, { io: "input" }) as {
    properties?: Record<string, Field>;
    required?: string[];
    $defs?: Record<string, Field>;
  };
  return Object.entries(json.properties ?? {}).map(([name, field]) => [
    name,
    { ...(field.$ref === undefined ? {} : json.$defs?.[field.$ref.replace("#/$defs/", "")]), ...field },
    json.required?.includes(name) === true,
  ]);
}

function typeOf(field: Field): string {
  if (field.anyOf) return field.anyOf.map(typeOf).join(" or ");
  if (field.$ref !== undefined && field.type === undefined) return field.$ref.replace("#/$defs/", "");
  if (field.const !== undefined) return JSON.stringify(field.const);
  if (field.enum && field.description?.startsWith("- ")) return "one of these";
  if (field.enum) return field.enum.map((value) => JSON.stringify(value)).join(", ");
  if (field.format === "date-time") return "time";
  if (field.type === "array") return field.items ? `array of ${typeOf(field.items)}` : "array";
  return [field.type ?? "any"].flat().join(" or ");
}

function range({ minimum, maximum, type }: Field): string {
  if (type !== "integer" && type !== "number") return "";
  // What a double can hold is no limit that anybody set.
  const low = minimum !== undefined && minimum > Number.MIN_SAFE_INTEGER ? minimum : undefined;
  const high = maximum !== undefined && maximum < Number.MAX_SAFE_INTEGER ? maximum : undefined;
  return low === undefined || high === undefined ? "" : `${low} to ${high}`;
}
