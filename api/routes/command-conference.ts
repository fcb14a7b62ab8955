import { z } from "zod";
import { say, sayPrompt } from "../../engine/actions/say.ts";
import type { ConferenceCommand } from "../../engine/calls/conferences.ts";
import { SautikitError } from "../../engine/errors.ts";
import { isId, type LegId } from "../../engine/ids.ts";
import { changes } from "../route.ts";
import { isName, pathName } from "../schemas/conference.ts";
import { callbackUrl } from "../schemas/text.ts";
import { invalid, invalidField } from "../validation.ts";

const ofMember = ["mute", "unmute", "hold", "unhold", "kick"] as const;
const ofRoom = ["lock", "unlock", "end"] as const;
const commands = [...ofMember, ...ofRoom, "say", "play"] as const;

const body = z.strictObject({
  command: z.enum(commands).meta({
    description:
      "`mute`, `unmute`, `hold` (it hears music in place of the room, and is not heard), `unhold`, `kick` (its next action " +
      "runs): of the member `leg_id`. `say`, `play`: heard by that one alone, or without `leg_id` by all; mixed into the " +
      "talk, once. `lock`: nobody more may enter, until `unlock`. `end`: all leave, and each one's next action runs.",
  }),
  leg_id: z.string().optional().meta({ description: "A member, as GET /v1/conferences/{name} lists them." }),
  text: z.string().trim().min(1).max(3000).optional().meta({ description: "Of `say`." }),
  language: z
    .string()
    .max(35)
    .optional()
    .meta({ description: "Of `say`, as in the action of that name. Default: en-KE." }),
  voice: z.enum(["woman", "man"]).optional().meta({ description: "Of `say`. Default: woman." }),
  url: callbackUrl
    .optional()
    .meta({ description: "Of `play`: a WAV or MP3, as in the action of that name." }),
});
type Body = z.output<typeof body>;

export const commandConference = changes({
  method: "post",
  path: "/v1/conferences/{name}/commands",
  operationId: "commandConference",
  tag: "Conferences",
  summary: "Direct a conference that is going on",
  description:
    "Answers once the command is stored; it is carried out at once, in the order of the requests, `say` and `play` once they " +
    "are rendered or fetched. What comes of it is an event on the calls of those whom it concerns.",
  scope: "calls.supervise",
  params: pathName,
  body,
  responses: {
    202: {
      description: "It is on its way.",
      schema: z.strictObject({
        conference_id: z.string(),
        command: z.enum(commands),
        leg_id: z.string().optional(),
      }),
    },
  },
  errors: ["conferences.not_found", "webhooks.url_not_allowed"],
  async prepare({ parts, body }) {
    commandOf(body);
    if (body.url !== undefined) await parts.checkUrl(body.url, "url");
  },
  async change(tx, { parts, caller, params, body }) {
    if (!isName(params.name)) throw new SautikitError("conferences.not_found");
    const { command, leg_id } = body;
    const id = await parts.conferences.command(tx, caller.workspace.id, params.name, commandOf(body));
    const leg = leg_id === undefined ? {} : { leg_id };
    return { status: 202, body: { conference_id: id, command, ...leg } };
  },
});

type Field = Exclude<keyof Body, "command">;

/** Which fields a command has, beside its name. */
function fieldsOf(command: Body["command"]): { needs: readonly Field[]; takes: readonly Field[] } {
  if (command === "say") return { needs: ["text"], takes: ["leg_id", "language", "voice"] };
  if (command === "play") return { needs: ["url"], takes: ["leg_id"] };
  return { needs: ofMember.some((name) => name === command) ? ["leg_id"] : [], takes: [] };
}
const fields: readonly Field[] = ["leg_id", "text", "language", "voice", "url"];

/** Throws `validation.invalid`. */
function commandOf(body: Body): ConferenceCommand {
  const { command, leg_id, text, language, voice, url } = body;
  const { needs, takes } = fieldsOf(command);
  const faults = fields.flatMap((field) => {
    const given = body[field] !== undefined;
    if (!given && needs.includes(field))
      return [{ field, code: "required", message: `is required by ${command}` }];
    if (given && !needs.includes(field) && !takes.includes(field))
      return [{ field, code: "exclusive", message: `has no meaning beside ${command}` }];
    return [];
  });
  if (faults.length > 0) throw invalid(faults);
  const leg = leg_id === undefined ? undefined : legOf(leg_id);
  const legId = leg === undefined ? {} : { legId: leg };
  if (command === "play") return { command, ...legId, source: { url: url ?? "" } };
  if (command === "say") return { command, ...legId, source: speech({ text, language, voice }) };
  if (leg !== undefined) return { command: command as (typeof ofMember)[number], legId: leg };
  return { command: command as (typeof ofRoom)[number] };
}

/** The same as in the action, its defaults too. */
function speech(given: Pick<Body, "text" | "language" | "voice">) {
  const checked = say.schema.safeParse(JSON.parse(JSON.stringify(given)));
  if (!checked.success)
    throw invalidField("language", "format", "must be a language tag, like en-KE or sw-KE");
  const { text, language, voice } = sayPrompt(checked.data);
  return { text, language, voice };
}

function legOf(text: string): LegId {
  if (isId("leg", text)) return text;
  throw invalidField("leg_id", "unknown", "is not in this conference");
}
