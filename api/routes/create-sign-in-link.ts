import { z } from "zod";
import { ipKeyGenerator } from "express-rate-limit";
import { linkMs } from "../../engine/people/sign-in.ts";
import { isOpen } from "../route.ts";
import { emailField } from "../schemas/people.ts";

export const createSignInLink = isOpen({
  method: "post",
  path: "/v1/sign-in-links",
  operationId: "createSignInLink",
  tag: "People",
  summary: "Have a link mailed that signs in, or signs up",
  description:
    "The answer, and how long it takes, is the same whether the address is known or not. The link works once, for 15 minutes. " +
    "An address that is new here becomes a user, with a workspace of their own, when its link is used.",
  scope: null,
  body: z.strictObject({ email: emailField }),
  responses: {
    202: {
      description: "It is on its way.",
      schema: z.strictObject({ status: z.literal("sent"), expires_in_seconds: z.int() }),
    },
  },
  errors: ["sign_in.too_many"],
  async change(tx, { parts, from, body }) {
    const network = ipKeyGenerator(from.address ?? "unknown");
    await parts.signIn.mailLink(tx, { email: body.email, network });
    return { status: 202, body: { status: "sent", expires_in_seconds: linkMs / 1000 } };
  },
});
