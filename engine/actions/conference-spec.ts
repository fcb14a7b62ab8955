import { z } from "zod";
import { conferenceEventKinds, type ConferenceEventKind } from "../calls/event-kinds.ts";
import { httpUrl } from "./http-url.ts";

export interface ConferenceSpec {
  name: string;
  maxParticipants?: number | undefined;
  record?: boolean | "from-answer" | "from-ringing" | undefined;
  beep?: boolean | undefined;
  muted?: boolean | undefined;
  startOnEnter?: boolean | undefined;
  endOnExit?: boolean | undefined;
  waitUrl?: string | undefined;
  statusEventsCallbackUrl?: string | undefined;
  statusEvents?: ConferenceEventKind[] | undefined;
}

export const maxParticipantsDefault = 40;

/** Nothing that cannot be seen, and no blank at either end. */
export const conferenceName = z
  .string()
  .regex(/^[^\p{C}\p{Z}](?:[^\p{C}\p{Zl}\p{Zp}]{0,62}[^\p{C}\p{Z}])?$/u, {
    error: "must be 1 to 64 printable characters, without a blank at either end",
  });

const flag = (description: string) => z.boolean().optional().meta({ description });

/** What stands behind `conference` in a document. */
export const conferenceSchema: z.ZodType<ConferenceSpec> = z
  .strictObject({
    name: conferenceName.meta({
      description:
        "Of the room: 1 to 64 printable characters, letters' case counts. All of the workspace who name it meet in it; two " +
        "workspaces never do.",
    }),
    maxParticipants: z
      .int()
      .min(2)
      .max(100)
      .optional()
      .meta({
        description: `Who comes when so many are in the room is refused. The room takes it from whoever opens it. Default: ${maxParticipantsDefault}.`,
      }),
    record: z
      .union([z.boolean(), z.enum(["from-answer", "from-ringing"])])
      .optional()
      .meta({
        description:
          "Records this member from its entry until it leaves, as one recording: left what it says, muted too, right what it " +
          "hears. The words of `dial` mean the same as true. A leg that is recorded already goes on in its recording. " +
          "Default: false.",
      }),
    beep: flag(
      "The others hear a tone when this member comes, and a lower one when it goes. Default: false.",
    ),
    muted: flag("It is not heard until `unmute`. Default: false."),
    startOnEnter: flag(
      "Until one with this is there, all who wait hear music, and not each other. Default: true.",
    ),
    endOnExit: flag("When this member goes, the room ends for all. Default: false."),
    waitUrl: httpUrl.optional().meta({
      description:
        "A WAV or MP3 that is heard over and over in the room by those who wait; a soft tone until it is fetched, and where it " +
        "cannot be had (`conference.wait_failed`). A later member's takes the place of an earlier one's.",
    }),
    statusEventsCallbackUrl: httpUrl.optional().meta({
      description:
        "Is told of what becomes of this member in the room, and of the room while it is there, signed as the number's other " +
        "URLs are.",
    }),
    statusEvents: z
      .array(z.enum(conferenceEventKinds))
      .min(1)
      .max(conferenceEventKinds.length)
      .optional()
      .meta({ description: "Of which events. Default: of all." }),
  })
  .superRefine(({ statusEvents, statusEventsCallbackUrl }, context) => {
    if (statusEvents === undefined || statusEventsCallbackUrl !== undefined) return;
    const message = "needs a statusEventsCallbackUrl";
    context.addIssue({ code: "custom", path: ["statusEvents"], message, params: { code: "required" } });
  });
