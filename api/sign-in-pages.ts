import express, { Router, type Request, type RequestHandler, type Response } from "express";
import { ipKeyGenerator } from "express-rate-limit";
import { SautikitError } from "../engine/errors.ts";
import { acceptInvitation } from "./accept-invitation.ts";
import { emailField } from "./schemas/people.ts";
import { fromOf } from "./operation.ts";
import type { ApiParts } from "./parts.ts";
import { limitByAddress } from "./rate-limit.ts";
import { requireSameSite } from "./same-site.ts";
import { sessionCookie } from "./session-cookie.ts";

/**
 * The pages that mails link to. Mail servers open links to look at them: so a GET shows a page with a button and changes
 * nothing, and only the button's POST uses the link. They work without scripts.
 */
export function signInPages(parts: ApiParts): Router {
  const { store, signIn, invitations, publicUrl } = parts;
  const router = Router({ caseSensitive: true, strict: true });
  const form: RequestHandler[] = [
    express.urlencoded({ extended: false, limit: "8kb", parameterLimit: 10 }),
    (request, _response, next) => {
      requireSameSite(request, publicUrl());
      next();
    },
  ];
  router.use(["/sign-in", "/invitation"], limitByAddress(), privately);

  router.get("/sign-in", async (request, response) => {
    const given = request.query["token"];
    if (given === undefined) return show(response, "Sign in", askForLink);
    const token = tokenOf(given) ?? "";
    const email = await store.read((tx) => signIn.look(tx, token));
    // A link that somebody else sent would sign in as them: so the button says whom it signs in.
    if (email === undefined) return show(response, "This link does not work", notThisLink + askForLink, 410);
    show(response, "Sign in", `<p>As ${escaped(email)}.</p>${button("/sign-in", token, "Sign in")}`);
  });
  router.post("/sign-in/link", ...form, async (request, response) => {
    const email = emailField.safeParse(fieldOf(request, "email"));
    if (!email.success) return show(response, "Sign in", `<p>That is no mail address.</p>${askForLink}`, 400);
    const network = networkOf(request);
    const refused = await orRefusal(() =>
      store.write((tx) => signIn.mailLink(tx, { email: email.data, network })),
    );
    if (refused instanceof SautikitError)
      return show(response, "Sign in", `<p>${escaped(refused.message)}</p>`, 429);
    show(response, "Look into your mail", "<p>A link is on its way. It works once, within 15 minutes.</p>");
  });
  router.post("/sign-in", ...form, async (request, response) => {
    const token = tokenOf(fieldOf(request, "token")) ?? "";
    const from = fromOf(request, response);
    const done = await orRefusal(() => store.write((tx) => signIn.useLink(tx, token, from)));
    if (done instanceof SautikitError)
      return show(response, "This link does not work", `<p>${escaped(done.message)}</p>${askForLink}`, 410);
    response.setHeader("Set-Cookie", sessionCookie(publicUrl(), done.token));
    show(response, "You are signed in", `<p>As ${escaped(done.user.email)}.</p>`);
  });

  router.get("/invitation", async (request, response) => {
    const token = tokenOf(request.query["token"]) ?? "";
    const found = await store.read((tx) => invitations.look(tx, token));
    if (!found) return show(response, "This invitation does not work", notAnyMore, 410);
    const { invitation, workspaceName } = found;
    const what = `<p>${escaped(invitation.email)} is invited to ${escaped(workspaceName)}, as ${invitation.role}.</p>`;
    show(response, "Invitation", what + button("/invitation", token, "Accept"));
  });
  router.post("/invitation", ...form, async (request, response) => {
    const token = tokenOf(fieldOf(request, "token")) ?? "";
    const from = fromOf(request, response);
    const done = await orRefusal(() => store.write((tx) => acceptInvitation(tx, parts, token, from)));
    if (done instanceof SautikitError)
      return show(response, "This invitation does not work", notAnyMore, 410);
    show(
      response,
      "You are in",
      `<p>${escaped(done.workspaceName)} is yours to work in. Sign in:</p>${askForLink}`,
    );
  });
  return router;
}

/** Of an IPv6 customer the network counts, since they have all of its addresses. */
export const networkOf = (request: Pick<Request, "ip">) => ipKeyGenerator(request.ip ?? "unknown");

/** The address of a page holds a token: nobody else is told it, and nothing keeps the page. */
const privately: RequestHandler = (_request, response, next) => {
  response.setHeader("Cache-Control", "no-store");
  response.setHeader("Referrer-Policy", "same-origin");
  response.setHeader(
    "Content-Security-Policy",
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
  );
  next();
};

const tokenOf = (value: unknown): string | undefined =>
  typeof value === "string" && /^[A-Za-z0-9_-]{43}$/.test(value) ? value : undefined;

const fieldOf = (request: Request, name: string): unknown =>
  (request.body as Record<string, unknown> | undefined)?.[name];

/** Refusals are shown; anything else is ours. */
async function orRefusal<T>(work: () => Promise<T>): Promise<T | SautikitError> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof SautikitError && error.code !== "database.unavailable") return error;
    throw error;
  }
}

const notThisLink = "<p>It was used, is older than 15 minutes, or is none of ours. Ask for a new one:</p>";
const notAnyMore =
  "<p>It was accepted, revoked, or is older than 7 days. Ask who invited you for a new one.</p>";
const askForLink =
  '<form method="post" action="/sign-in/link"><label>Mail address <input type="email" name="email" required></label> ' +
  "<button>Send me a link</button></form>";
const button = (action: string, token: string, label: string) =>
  `<form method="post" action="${action}"><input type="hidden" name="token" value="${token}"><button>${label}</button></form>`;

function show(response: Response, title: string, content: string, status = 200): void {
  response
    .status(status)
    .type("html")
    .send(
      `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">` +
        `<title>${title} · Sautikit</title><style>body{font:1rem/1.5 system-ui;max-width:32rem;margin:4rem auto;padding:0 1rem}</style>` +
        `<h1>${title}</h1>${content}</html>\n`,
    );
}

const escaped = (text: string) => text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
