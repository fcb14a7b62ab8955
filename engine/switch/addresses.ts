/** What a SIP profile tells others of where it is. */
export interface ProfileAddresses {
  profile: string;
  /** In Contact and Via: where the far end sends SIP. */
  sip: string;
  /** In SDP: where it sends sound. */
  rtp: string;
}

/** The reply to `sofia xmlstatus profile <name>`; null: there is no such profile. */
export function profileAddresses(reply: string): ProfileAddresses | null {
  const of = (tag: string) => textOf(reply, tag);
  const [profile, sip, rtp] = [
    of("name"),
    of("ext-sip-ip") ?? of("sip-ip"),
    of("ext-rtp-ip") ?? of("rtp-ip"),
  ];
  return profile === null || sip === null || rtp === null ? null : { profile, sip, rtp };
}

/** The reply to `sofia xmlstatus gateway <name>`: its profile, and the host that calls go to; null: there is none. */
export function gatewayIn(reply: string): { profile: string; host: string } | null {
  const profile = textOf(reply, "profile");
  const [, host] = /^sips?:(?:[^@\s]*@)?(\[[^\]\s]+\]|[^\s:;]+)/.exec(textOf(reply, "proxy") ?? "") ?? [];
  return profile === null || host === undefined ? null : { profile, host: host.replace(/^\[|\]$/g, "") };
}

const textOf = (xml: string, tag: string): string | null =>
  new RegExp(`<${tag}>([^<>\\s]{1,253})</${tag}>`).exec(xml)?.[1] ?? null;
