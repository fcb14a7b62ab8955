import { SautikitError } from "../../engine/errors.ts";
import { answers } from "../route.ts";
import {
  conferenceWithMembersSchema,
  conferenceWithMembersView,
  isName,
  pathName,
} from "../schemas/conference.ts";

export const getConference = answers({
  method: "get",
  path: "/v1/conferences/{name}",
  operationId: "getConference",
  tag: "Conferences",
  summary: "Look at a conference and its members",
  description: "While it goes on: from its first member to its last.",
  scope: "calls.read",
  params: pathName,
  responses: { 200: { description: "The conference.", schema: conferenceWithMembersSchema } },
  errors: ["conferences.not_found"],
  async answer({ parts, caller, params }) {
    if (!isName(params.name)) throw new SautikitError("conferences.not_found");
    const found = await parts.store.read((tx) => parts.conferences.get(tx, caller.workspace.id, params.name));
    return { status: 200, body: conferenceWithMembersView(found) };
  },
});
