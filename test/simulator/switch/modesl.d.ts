declare module "modesl" {
  export interface EslReply {
    getBody(): string;
    getHeader(name: string): string | null;
  }
  export class Connection {
    constructor(host: string, port: number, password: string, ready: () => void);
    api(command: string, reply: (response: EslReply) => void): void;
    bgapi(command: string, done: (response: EslReply) => void): void;
    execute(application: string, argument: string, uuid: string, done: (event: EslReply) => void): void;
    events(format: "json" | "plain", names: string, ready: () => void): void;
    on(event: string, listener: (event: EslReply) => void): void;
    disconnect(): void;
  }
  const esl: { Connection: typeof Connection };
  export default esl;
}
