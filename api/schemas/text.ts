import { z } from "zod";

const control = /\p{Cc}/u;

/** Text of one line: no CR, LF, NUL or other control characters. */
export const lineOfText = (max: number) =>
  z
    .string()
    .max(max)
    .refine((text) => !control.test(text), {
      error: "must not have control characters",
      params: { code: "control_characters" },
    });

/** A number of the caller's own. Whether somebody has it is asked of the store. */
export const ownE164 = z
  .string()
  .refine((text) => /^\+[1-9][0-9]{6,14}$/.test(text), {
    error: "must be E.164: + and digits",
    params: { code: "e164" },
  })
  .meta({ description: "E.164, a number of the workspace.", examples: ["+254200000001"] });

/** Where requests of ours go; that it leads to a public address is checked apart, since that asks DNS. */
export const callbackUrl = lineOfText(2048)
  .refine((text) => URL.canParse(text) && /^https?:\/\//i.test(text), {
    error: "must be an http(s) URL",
    params: { code: "url" },
  })
  .meta({ description: "http(s) URL.", examples: ["https://yourapp.example.com/voice"] });

/** Ids in paths are looked up as they are: what is no id is nobody's. */
export const pathId = (prefix: string, what: string) =>
  z.strictObject({
    id: z
      .string()
      .meta({ description: `The ${what}'s id.`, examples: [`${prefix}_01j00000000000000000000001`] }),
  });
