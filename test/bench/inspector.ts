import { eventually } from "../peers/waiting.ts";

/** What a process holds once its garbage is gone, bytes. */
export interface Held {
  heap: number;
  /** Buffers and what the database driver keeps. */
  external: number;
  resident: number;
}

const answerMsMax = 60_000;

/** Asks a Node process that was started with `--inspect=127.0.0.1:<port>`. */
export class Inspector {
  readonly #socket: WebSocket;
  #lastId = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  static async open(port: number): Promise<Inspector> {
    const url = await eventually("the inspector", async () => {
      const response = await fetch(`http://127.0.0.1:${port}/json/list`);
      const [target] = (await response.json()) as { webSocketDebuggerUrl: string }[];
      return target?.webSocketDebuggerUrl;
    });
    const socket = new WebSocket(url);
    await new Promise((resolve, reject) => {
      socket.addEventListener("open", resolve, { once: true });
      socket.addEventListener("error", reject, { once: true });
    });
    return new Inspector(socket);
  }

  close(): void {
    this.#socket.close();
  }

  async held(): Promise<Held> {
    // What is freed by a finalizer is gone by the second time.
    for (let times = 0; times < 2; times++) await this.#ask("HeapProfiler.collectGarbage", {});
    const answer = (await this.#ask("Runtime.evaluate", {
      expression: "process.memoryUsage()",
      returnByValue: true,
    })) as { result: { value: NodeJS.MemoryUsage } };
    const { heapUsed: heap, external, rss: resident } = answer.result.value;
    return { heap, external, resident };
  }

  /**
   * How many objects of a class there are; `constructor` is an expression that gives it, and changes nothing: it is run
   * in the middle of whatever the process is doing.
   */
  async count(constructor: string): Promise<number> {
    const objectGroup = "counted";
    const prototype = (await this.#ask("Runtime.evaluate", {
      expression: `(${constructor}).prototype`,
      objectGroup,
    })) as { result: { objectId: string } };
    const found = (await this.#ask("Runtime.queryObjects", {
      prototypeObjectId: prototype.result.objectId,
      objectGroup,
    })) as { objects: { objectId: string } };
    const answer = (await this.#ask("Runtime.callFunctionOn", {
      functionDeclaration: "function () { return this.length; }",
      objectId: found.objects.objectId,
      returnByValue: true,
    })) as { result: { value: number } };
    await this.#ask("Runtime.releaseObjectGroup", { objectGroup });
    return answer.result.value;
  }

  #ask(method: string, params: object): Promise<unknown> {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${method} was not answered`)), answerMsMax);
      const take = (event: MessageEvent) => {
        const message = JSON.parse(String(event.data)) as { id?: number; result?: unknown; error?: unknown };
        if (message.id !== id) return;
        clearTimeout(timer);
        this.#socket.removeEventListener("message", take);
        if (message.error === undefined) resolve(message.result);
        else reject(new Error(`${method}: ${JSON.stringify(message.error)}`));
      };
      this.#socket.addEventListener("message", take);
      this.#socket.send(JSON.stringify({ id, method, params }));
    });
  }
}
