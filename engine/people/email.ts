import { domainToASCII } from "node:url";

const local = /^[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*$/;
const domain = /^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])$/;

/**
 * The one way in which a mail address is written here: lower case, its domain in ASCII. Nothing is taken out (dots, +tags):
 * whose they are is the mail server's to say. Undefined: it is no address that we could write to.
 */
export function normalEmail(text: string): string | undefined {
  const trimmed = text.trim().toLowerCase();
  const at = trimmed.lastIndexOf("@");
  const [name, host] = [trimmed.slice(0, at), domainToASCII(trimmed.slice(at + 1))];
  const good = at > 0 && name.length <= 64 && local.test(name) && host.length <= 253 && domain.test(host);
  const email = `${name}@${host}`;
  return good && email.length <= 254 ? email : undefined;
}
