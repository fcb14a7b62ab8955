import type { JsonObject } from "../../json.ts";
import { pays, type Behaviour } from "./behaviours.ts";
import type { Book, Payment } from "./book.ts";
import type { Answer } from "./requests.ts";

const spoilings = ["html", "spike", "drop", "stale_token", "unauthorised"] as const;

/** The page by which tests and demonstrations say how the stand-in is to behave; docs/mpesa.md lists it. */
export async function control(book: Book, method: string, path: string, body: JsonObject): Promise<Answer> {
  const [, , what = "", id = ""] = path.split("/").map(decodeURIComponent);
  switch (`${method} ${what}`) {
    case "GET state":
      return answer(stateOf(book));
    case "PUT phones":
      return setPhone(book, id, body);
    case "DELETE phones":
      book.behaviours.delete(id);
      return answer({});
    case "POST payments": {
      const { account, amount, msisdn = "254722000001" } = body;
      if (
        typeof msisdn !== "string" ||
        typeof account !== "string" ||
        typeof amount !== "string" ||
        !/^\d+(\.\d\d?)?$/.test(amount)
      )
        return wrong("account and amount (a text, like 500.00) are needed");
      const payment = await book.payBill({ account, amount, msisdn });
      return payment ? answer(paymentOf(payment), 201) : answer({ refused: true }, 409);
    }
    case "POST deliveries": {
      const status = await book.deliver(Number(id));
      return status === null ? wrong("there is no such delivery", 404) : answer({ status });
    }
    case "PUT settings": {
      const { holds, validates } = body;
      if (typeof holds === "boolean") book.holds = holds;
      if (typeof validates === "boolean") book.validates = validates;
      return answer({ holds: book.holds, validates: book.validates });
    }
    case "POST spoil": {
      const kind = spoilings.find((one) => one === body["kind"]);
      if (!kind) return wrong(`kind is one of ${spoilings.join(", ")}`);
      const count = typeof body["count"] === "number" ? Math.min(body["count"], 100) : 1;
      for (let each = 0; each < count; each++) book.spoilt.push(kind);
      return answer({ spoilt: book.spoilt });
    }
    case "DELETE token":
      book.token = null;
      return answer({});
    default:
      return wrong("see docs/mpesa.md for what there is under /control", 404);
  }
}

function setPhone(book: Book, phone: string, body: JsonObject): Answer {
  if (!/^\+254[71]\d{8}$/.test(phone)) return wrong("the phone is +2547… or +2541…");
  for (const [key, value] of Object.entries(body)) {
    const known = key in pays ? pays[key as keyof Behaviour] : undefined;
    if (known === undefined || typeof known !== typeof value)
      return wrong(`${key} is not a behaviour's, or of another type`);
  }
  const behaviour: Behaviour = { ...pays, ...(body as Partial<Behaviour>) };
  book.behaviours.set(phone, behaviour);
  return answer({ ...behaviour });
}

const stateOf = (book: Book): JsonObject => ({
  tokens_issued: book.tokensIssued,
  tokens_refused: book.tokensRefused,
  urls: book.urls,
  prompts: book.prompts.map(({ behaviour, ...prompt }) => ({ ...prompt, behaviour: behaviour.description })),
  payments: book.payments.map(paymentOf),
  deliveries: book.deliveries.map(({ kind, url, status }) => ({ kind, url, status })),
});
const paymentOf = ({ atMs, ...payment }: Payment): JsonObject => ({ ...payment, at_ms: atMs });

const answer = (body: JsonObject, status = 200): Answer => ({ status, body });
const wrong = (error: string, status = 400): Answer => ({ status, body: { error } });
