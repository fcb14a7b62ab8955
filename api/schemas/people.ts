import { z } from "zod";
import { rfc3339Seconds } from "../../engine/clock.ts";
import { normalEmail } from "../../engine/people/email.ts";
import { statusOf, type Invitation } from "../../engine/people/invitations.ts";
import { roles } from "../../engine/people/roles.ts";
import type { MemberRow } from "../../engine/store/members.ts";
import type { SessionRow } from "../../engine/store/sessions.ts";
import type { ApiKeyRow } from "../../engine/store/workspaces.ts";
import { scopes } from "../../engine/workspaces/scopes.ts";
import { lineOfText } from "./text.ts";

/** As it is kept: lower case, its domain in ASCII. */
export const emailField = z
  .string()
  .max(320)
  .transform((text, context) => {
    const email = normalEmail(text);
    if (email !== undefined) return email;
    context.addIssue({ code: "custom", message: "must be a mail address", params: { code: "email" } });
    return z.NEVER;
  })
  .meta({
    override: { type: "string" },
    description: "Kept in lower case.",
    examples: ["wanjiru@example.co.ke"],
  });

export const role = z.enum(roles).meta({ description: "docs/people.md says what each may do." });
const time = z.string().meta({ format: "date-time" });
const timeOrNull = time.nullable();
const byWhom = z.string().nullable().meta({ description: "A key or a user, by id; null: the operator." });

/** A time to come, in ms. */
export const timeField = z.iso
  .datetime({ offset: true, error: "must be RFC 3339" })
  .transform((text) => Date.parse(text))
  .meta({ override: { type: "string", format: "date-time" } });

export const memberSchema = z
  .strictObject({
    id: z.string().meta({ description: "The user's." }),
    email: z.string(),
    role,
    joined_at: time,
  })
  .meta({ id: "Member" });

export const memberView = (row: MemberRow) => ({
  id: row.userId,
  email: row.email,
  role: row.role,
  joined_at: rfc3339Seconds(row.createdAtMs),
});

export const invitationSchema = z
  .strictObject({
    id: z.string(),
    email: z.string(),
    role,
    status: z.enum(["pending", "accepted", "revoked", "expired"]),
    invited_by: byWhom,
    created_at: time,
    expires_at: time,
    accepted_at: timeOrNull,
    revoked_at: timeOrNull,
  })
  .meta({ id: "Invitation" });

export const invitationView = (row: Invitation, nowMs: number) => ({
  id: row.id,
  email: row.email,
  role: row.role,
  status: statusOf(row, nowMs),
  invited_by: row.invitedBy,
  created_at: rfc3339Seconds(row.createdAtMs),
  expires_at: rfc3339Seconds(row.expiresAtMs),
  accepted_at: timeView(row.acceptedAtMs),
  revoked_at: timeView(row.revokedAtMs),
});

const keyFacts = {
  id: z.string(),
  name: z.string(),
  last_four: z.string(),
  scopes: z.array(z.enum(scopes)),
  created_by: byWhom,
  created_at: time,
  expires_at: timeOrNull,
  last_used_at: timeOrNull.meta({ description: "To the minute." }),
  revoked_at: timeOrNull,
};
export const apiKeySchema = z.strictObject(keyFacts).meta({ id: "ApiKey" });
export const newApiKeySchema = z
  .strictObject({
    ...keyFacts,
    key: z.string().optional().meta({ description: "Shown this once: only a hash of it is kept." }),
    secret_omitted: z.literal(true).optional().meta({ description: "In a replay, which leaves `key` out." }),
  })
  .meta({ id: "NewApiKey" });

export const apiKeyView = (row: ApiKeyRow) => ({
  id: row.id,
  name: row.name,
  last_four: row.lastFour,
  scopes: JSON.parse(row.scopes) as string[],
  created_by: row.createdBy,
  created_at: rfc3339Seconds(row.createdAtMs),
  expires_at: timeView(row.expiresAtMs),
  last_used_at: timeView(row.lastUsedAtMs),
  revoked_at: timeView(row.revokedAtMs),
});

export const workspaceName = lineOfText(100)
  .refine((text) => text.trim() !== "", { error: "must not be empty", params: { code: "length" } })
  .meta({ description: "What you call it." });

const sessionFacts = {
  id: z.string(),
  created_at: time,
  last_seen_at: time.meta({ description: "To the minute." }),
  expires_at: time.meta({ description: "At the latest; a day without a request ends it too." }),
  address: z.string().nullable(),
  user_agent: z.string().nullable(),
};
export const sessionSchema = z
  .strictObject({ ...sessionFacts, current: z.boolean().meta({ description: "The one that asks." }) })
  .meta({ id: "Session" });

export const sessionView = (row: SessionRow, current: SessionRow["id"]) => ({
  id: row.id,
  created_at: rfc3339Seconds(row.createdAtMs),
  last_seen_at: rfc3339Seconds(row.seenAtMs),
  expires_at: rfc3339Seconds(row.expiresAtMs),
  address: row.address,
  user_agent: row.userAgent,
  current: row.id === current,
});

/** Who somebody is, and where. */
export const personSchema = z
  .strictObject({
    user: z.strictObject({ id: z.string(), email: z.string() }),
    session: sessionSchema,
    workspace_id: z.string().nullable().meta({
      description: "Where requests go that name none in X-Sautikit-Workspace; null: a member of none.",
    }),
    workspaces: z.array(z.strictObject({ id: z.string(), name: z.string(), role })),
  })
  .meta({ id: "Person" });

const timeView = (ms: number | null) => (ms === null ? null : rfc3339Seconds(ms));
