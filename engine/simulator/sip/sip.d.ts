/** The parts of the npm package `sip` (0.0.6, untyped) that we use: its parser and its writer, on latin1 text. */
declare module "sip" {
  export interface NameAddr {
    name?: string | undefined;
    uri: string;
    params: Record<string, string | null>;
  }
  export interface ParsedUri {
    schema: string;
    user?: string | undefined;
    password?: string | undefined;
    host: string;
    /** NaN where the URI names none. */
    port: number;
    params: Record<string, string | null>;
    headers: Record<string, string>;
  }
  export interface RouteAddr {
    name?: string | undefined;
    uri: ParsedUri | string;
    params: Record<string, string | null>;
  }
  export interface Via {
    version: string;
    protocol: string;
    host: string;
    port?: number | undefined;
    params: Record<string, string | null>;
  }
  const sip: {
    /** Undefined for what is not SIP; headers it cannot read are left out. May throw on garbage. */
    parse(datagram: Buffer): unknown;
    stringify(message: object): string;
    parseUri(uri: string | ParsedUri): ParsedUri | undefined;
  };
  export default sip;
}
