import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** A user of the section `directory`. */
export interface DirectoryUser {
  id: string;
  ha1: string;
  /** `auth-acl` as Sautikit writes it: addresses, each with /32. Null: none. */
  onlyFrom: readonly string[] | null;
  variables: ReadonlyMap<string, string>;
}

const endMark = "<!--end-->";

/** The users that the files of a spool have; a file that was not written to its end is left out. */
export class Directory {
  readonly #spoolDir: string;
  #users = new Map<string, DirectoryUser>();

  constructor(spoolDir: string) {
    this.#spoolDir = spoolDir;
    this.reload();
  }

  reload(): void {
    this.#users = new Map(
      filesIn(join(this.#spoolDir, "directory"))
        .filter((text) => text.trimEnd().endsWith(endMark))
        .flatMap((text) => [...text.matchAll(/<user id="([^"]+)">.*<\/user>/g)])
        .map(([user, id = ""]) => [id, readUser(user, id)]),
    );
  }

  /** In whatever case, as the real one does. */
  user(name: string): DirectoryUser | undefined {
    return this.#users.get(name.toLowerCase());
  }
}

function filesIn(folder: string): string[] {
  try {
    const names = readdirSync(folder).filter((name) => name.endsWith(".xml"));
    return names.map((name) => readFileSync(join(folder, name), "utf8"));
  } catch {
    return [];
  }
}

/** Of freeswitch-conf/freeswitch.xml. */
const domainVariables = [["execute_on_answer", "sched_hangup +0 CALL_REJECTED"]] as const;

const readUser = (text: string, id: string): DirectoryUser => ({
  id,
  onlyFrom:
    /<param name="auth-acl" value="([^"]*)"/.exec(text)?.[1]?.replaceAll("/32", "").split(",") ?? null,
  ha1: /<param name="a1-hash" value="([^"]*)"/.exec(text)?.[1] ?? "",
  variables: new Map([
    ...domainVariables,
    ...[...text.matchAll(/<variable name="([^"]*)" value="([^"]*)"/g)].map(
      ([, name = "", value = ""]) => [name, value] as const,
    ),
  ]),
});
