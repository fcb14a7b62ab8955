import { randomUUID } from "node:crypto";
import { Customer, type ApiAnswer } from "../world/customer.ts";

/** How often round: a node that is being stopped answers 503, or not at all. */
const roundsMax = 2;

/** Wanjiru's program, which knows two API nodes: where one does not serve a request, it asks the other the same. */
export class FailoverCustomer extends Customer {
  /** Requests that no node served. */
  readonly failed: string[] = [];
  requests = 0;
  /** Requests that a second node had to be asked. */
  failovers = 0;
  readonly #nodes: readonly string[];
  /** Who answered last is asked first. */
  #first = 0;

  constructor(nodes: readonly string[], key: string) {
    super(nodes[0]!, key);
    this.#nodes = nodes;
  }

  override async ask(
    method: string,
    path: string,
    { body, headers = {} }: { body?: unknown; headers?: Record<string, string> } = {},
  ): Promise<ApiAnswer> {
    this.requests++;
    // So that a call is placed once, whichever node took it.
    const sent = {
      body,
      headers: method === "POST" ? { "idempotency-key": randomUUID(), ...headers } : headers,
    };
    const refusals: string[] = [];
    for (let tries = 0; tries < roundsMax * this.#nodes.length; tries++) {
      const node = (this.#first + tries) % this.#nodes.length;
      try {
        const answer = await super.ask(method, `${this.#nodes[node]}${path}`, sent);
        if (answer.status < 500) {
          if (tries > 0) this.failovers++;
          this.#first = node;
          if (method === "POST" && path === "/v1/calls" && answer.status === 201)
            this.placed.push(String(answer.body.id));
          return answer;
        }
        refusals.push(`${this.#nodes[node]}: ${answer.status} ${JSON.stringify(answer.body)}`);
      } catch (error) {
        refusals.push(`${this.#nodes[node]}: ${String(error)}`);
      }
    }
    const failure = `${method} ${path}: ${refusals.join("; ")}`;
    this.failed.push(failure);
    throw new Error(failure);
  }
}
