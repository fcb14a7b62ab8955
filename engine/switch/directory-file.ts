import { isIPv4 } from "node:net";
import { isUsername, loginVariable } from "./devices.ts";

/** Below the box's spool; the switch reads it when it starts and at each `reloadDirectory`. */
export const directoryFileName = "directory/credentials.xml";

/** The switch leaves a file without it out: it was not written to its end. */
const lastLine = "<!--end-->\n";

export interface DeviceLogin {
  username: string;
  /** MD5 of `username:realm:password` in lower-case hex; the realm is the box's SIP_DOMAIN. */
  ha1: string;
  /** IPv4 addresses: it is let in from there alone, and from nowhere where there are none. Null: from anywhere. */
  onlyFrom: readonly string[] | null;
}

/**
 * Who may log in as a device: the file, whole, to be put in place of the one before by a rename. Throws RangeError on a
 * login that is not plainly one.
 */
export function directoryFile(logins: readonly DeviceLogin[]): string {
  return groups(logins).join("") + lastLine;
}

/**
 * FreeSWITCH 1.11.1 reads 10,000 users in groups of a hundred in 0.2 s, and in one list, which it goes through for each, in
 * up to 3.6 s.
 */
const groupSize = 100;

const groups = (logins: readonly DeviceLogin[]): string[] =>
  Array.from({ length: Math.ceil(logins.length / groupSize) }, (_, index) => {
    const users = logins.slice(index * groupSize, (index + 1) * groupSize).map(user);
    return `<group name="${index}"><users>\n${users.join("")}</users></group>\n`;
  });

function user({ username, ha1, onlyFrom }: DeviceLogin): string {
  if (!isUsername(username)) throw new RangeError("not a username");
  if (!/^[0-9a-f]{32}$/.test(ha1)) throw new RangeError(`not the hash of a login: ${username}'s`);
  return (
    `<user id="${username}"><params><param name="a1-hash" value="${ha1}"/>` +
    `<param name="allow-empty-password" value="false"/>${onlyFrom === null ? "" : acl(onlyFrom)}</params><variables>` +
    `<variable name="${loginVariable}" value="${username}"/>` +
    // Its bindings are kept under that, in whatever case it wrote its name.
    `<variable name="sip-force-extension" value="${username}"/></variables></user>\n`
  );
}

/** The switch splits at most a hundred. Nothing ever comes from the last one. */
function acl(addresses: readonly string[]): string {
  if (!addresses.every(isIPv4) || addresses.length > 100) throw new RangeError("not addresses of a login");
  const ranges = addresses.length === 0 ? ["255.255.255.255"] : addresses;
  return `<param name="auth-acl" value="${ranges.map((address) => `${address}/32`).join(",")}"/>`;
}
