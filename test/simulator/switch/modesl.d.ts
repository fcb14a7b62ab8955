declare module "modesl" {
  export interface EslReply {
    getBody(): string;
    getHeader(name: string): string | null;
    headers: { name: string; value: string }[];
  }
  export interface EslList {
    row_count: number;
    rows: Record<string, string>[];
  }
  export class Connection {
    constructor(host: string, port: number, password: string, ready: () => void);
    api(command: string, reply: (response: EslReply) => void): void;
    bgapi(command: string, done: (response: EslReply) => void): void;
    bgapi(command: string, args: string, job: string, done: (response: EslReply) => void): void;
    sendRecv(command: string, reply: (response: EslReply) => void): void;
    sendRecv(command: string, headers: Record<string, string>, reply: (response: EslReply) => void): void;
    filter(header: string, value: string, reply: (response: EslReply) => void): void;
    show(item: string, format: "json", done: (error: Error | null, list: EslList) => void): void;
    execute(application: string, argument: string, uuid: string, done: (event: EslReply) => void): void;
    events(format: "json" | "plain", names: string, ready: () => void): void;
    on(event: string, listener: (event: EslReply) => void): void;
    disconnect(): void;
  }
  const esl: { Connection: typeof Connection };
  export default esl;
}
