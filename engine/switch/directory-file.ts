import { isUsername, loginVariable } from "./devices.ts";

/** Below the box's spool; the switch reads it when it starts and at each `reloadDirectory`. */
export const directoryFileName = "directory/credentials.xml";

/** The switch leaves a file without it out: it was not written to its end. */
const lastLine = "<!--end-->\n";

export interface DeviceLogin {
  username: string;
  /** MD5 of `username:realm:password` in lower-case hex; the realm is the box's SIP_DOMAIN. */
  ha1: string;
}

/**
 * Who may log in as a device: the file, whole, to be put in place of the one before by a rename. Throws RangeError on a
 * login that is not plainly one.
 */
export function directoryFile(logins: readonly DeviceLogin[]): string {
  return logins.map(user).join("") + lastLine;
}

function user({ username, ha1 }: DeviceLogin): string {
  if (!isUsername(username)) throw new RangeError("not a username");
  if (!/^[0-9a-f]{32}$/.test(ha1)) throw new RangeError(`not the hash of a login: ${username}'s`);
  return (
    `<user id="${username}"><params><param name="a1-hash" value="${ha1}"/></params><variables>` +
    `<variable name="${loginVariable}" value="${username}"/>` +
    // Its bindings are kept under that, in whatever case it wrote its name.
    `<variable name="sip-force-extension" value="${username}"/></variables></user>\n`
  );
}
