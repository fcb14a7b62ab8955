import fc from "fast-check";
import { nairobi } from "../../world/world.ts";
import { numbers } from "../world.ts";
import { hostileNumber, hostileText, hostileValue } from "./hostile.ts";

export interface CallRequest {
  body: Record<string, unknown>;
  idempotencyKey: string;
  /** Top-level fields of the body that are not as they should be. */
  spoilt: string[];
}

const answers = numbers.answers440;
const hang = { hangup: {} };
const seconds = (count: number) => ({ wait: { seconds: count } });

/** Requests that are right in most of their fields, and in the others as bad as can be. */
export function callRequests(urls: { events: string; prompt: string }): fc.Arbitrary<CallRequest> {
  const goodActions = fc.constantFrom<unknown[]>(
    [seconds(1), hang],
    [{ play: { url: urls.prompt } }, hang],
    [{ dial: { number: numbers.isBusy } }, hang],
    [{ dial: { number: numbers.answers880, record: true, timeout: 5 } }, hang],
    [{ dial: { numbers: [numbers.isBusy, numbers.answers880], timeout: 5, ringback: urls.prompt } }, hang],
  );
  const good = fc.record({
    from: fc.constant(nairobi),
    to: fc.constantFrom<unknown>(answers, [answers], numbers.isBusy, numbers.ringsThenAnswers),
    events_url: fc.constant(urls.events),
    record: fc.constantFrom<unknown>(true, false, "from-ringing"),
    ring_timeout_seconds: fc.constant(5),
    max_duration_seconds: fc.constant(10),
    actions: goodActions,
  });
  const url = (base: string) =>
    hostileText(`${base}?name=`).map((text) => (/^(http|ws)/.test(text) ? text : `${base}/${text}`));
  const number = fc.oneof({ weight: 4, arbitrary: hostileNumber }, { weight: 1, arbitrary: hostileValue });
  const key = hostileText("branch");
  const verb = fc.oneof(
    number.map((to) => ({ dial: { number: to } })),
    fc.array(number, { maxLength: 3 }).map((list) => ({ dial: { numbers: list } })),
    url(urls.prompt).map((ringback) => ({ dial: { number: numbers.isBusy, ringback } })),
    hostileText("sip:otieno").map((sip) => ({ dial: { sip } })),
    number.map((callerId) => ({ dial: { number: numbers.isBusy, callerId } })),
    fc.tuple(key, hostileValue).map(([name, value]) => ({ dial: { number: numbers.isBusy, [name]: value } })),
    fc.tuple(fc.constantFrom("timeout", "maxDuration", "record"), hostileValue).map(([name, value]) => ({
      dial: { number: numbers.isBusy, [name]: value },
    })),
    url(urls.prompt).map((link) => ({ play: { url: link } })),
    hostileValue.map((loop) => ({ play: { url: urls.prompt, loop } })),
    hostileValue.map((wait) => ({ wait: { seconds: wait } })),
    hostileText("USER_BUSY").map((cause) => ({ hangup: { cause } })),
    hostileText("12#").map((digits) => ({ sendDigits: { digits } })),
    hostileText("Karibu").map((said) => ({ say: { text: said } })),
    hostileText("5").map((numDigits) => ({ getDigits: { numDigits, finishOnKey: numDigits } })),
    hostileText("#").map((finishOnKey) => ({ record: { finishOnKey, timeout: finishOnKey } })),
    hostileValue.map((maxLength) => ({ record: { maxLength, action: maxLength } })),
    fc.tuple(url("ws://127.0.0.1:1/"), hostileText("bot")).map(([link, name]) => ({
      stream: { url: link, name: name.slice(0, 100), metadata: { name } },
    })),
    hostileText("desk").map((name) => ({ conference: { name, beep: true, endOnExit: true } })),
    fc.tuple(url(urls.prompt), key).map(([link, name]) => ({
      conference: { name: "desk", waitUrl: link, statusEventsCallbackUrl: link, statusEvents: [name] },
    })),
    fc.tuple(key, hostileValue).map(([name, value]) => ({ [name]: value })),
  );
  const spoils: Record<string, fc.Arbitrary<unknown>> = {
    from: number,
    to: fc.oneof(number, fc.array(number, { maxLength: 3 })),
    caller_id: number,
    events_url: url(urls.events),
    voice_callback_url: url(urls.events),
    client_request_id: hostileText("order 17"),
    metadata: fc.dictionary(key, fc.oneof(hostileText("Kisumu"), hostileValue), {
      noNullPrototype: true,
      minKeys: 1,
      maxKeys: 4,
    }),
    record: fc.oneof(hostileText("from-answer"), hostileValue),
    ring_timeout_seconds: hostileValue,
    max_duration_seconds: hostileValue,
    actions: fc.oneof(
      { weight: 4, arbitrary: fc.tuple(verb, goodActions).map(([bad, rest]) => [bad, ...rest]) },
      { weight: 1, arbitrary: hostileValue },
    ),
    unknown: fc.constant(undefined),
  };
  // Half of the time what is spoilt may be anything as long as it is text, so that the call is made with it.
  const names = fc.oneof(
    fc.subarray(["client_request_id", "metadata", "events_url"], { minLength: 1 }),
    fc.subarray(Object.keys(spoils), { minLength: 1, maxLength: 2 }),
  );
  return fc
    .tuple(good, names, fc.record(spoils), key, hostileValue, hostileText("key"))
    .map(([body, spoilt, bad, unknownName, unknownValue, idempotencyKey]): CallRequest => {
      const chosen = Object.fromEntries(
        spoilt.filter((name) => name !== "unknown").map((name) => [name, bad[name]]),
      );
      const unknown = spoilt.includes("unknown") ? { [unknownName]: unknownValue } : {};
      // What is not Latin-1 cannot be sent as a header at all, nor a line break.
      const sendable = idempotencyKey.replace(/[^ -~\x80-\xff]/g, "");
      return {
        body: { ...body, ...chosen, ...unknown },
        idempotencyKey: sendable,
        spoilt: [...Object.keys(chosen), ...Object.keys(unknown)],
      };
    });
}

/** What else can be asked of a call that runs. */
export function askOfCall(callId: string): fc.Arbitrary<{ method: string; path: string; body?: unknown }> {
  const piece = hostileText("leg_01j00000000000000000000001").map(encodable);
  return fc.oneof(
    fc.tuple(hostileText("off"), piece).map(([state, leg]) => ({
      method: "PATCH",
      path: `/v1/calls/${callId}/recording`,
      body: { state, leg_id: leg },
    })),
    piece.map((leg) => ({
      method: "PATCH",
      path: `/v1/calls/${callId}/recording`,
      body: { state: "off", leg_id: leg },
    })),
    hostileValue.map((body) => ({
      method: "POST",
      path: `/v1/calls/${callId}/hangup`,
      body: { cause: body },
    })),
    piece.map((id) => ({ method: "POST", path: `/v1/calls/${encodeURIComponent(id)}/hangup` })),
    piece.map((id) => ({
      method: "GET",
      path: `/v1/calls/${callId}/recording?recording_id=${encodeURIComponent(id)}`,
    })),
    fc.tuple(piece, hostileText("say")).map(([name, text]) => ({
      method: "POST",
      path: `/v1/conferences/${encodeURIComponent(name)}/commands`,
      body: { command: "say", text, leg_id: text },
    })),
    piece.map((text) => ({
      method: "POST",
      path: "/v1/conferences/desk/commands",
      body: { command: "say", text, language: "sw-KE" },
    })),
    piece.map((query) => ({ method: "GET", path: `/v1/calls?q=${encodeURIComponent(query)}` })),
    piece.map((id) => ({ method: "DELETE", path: `/v1/recordings/${encodeURIComponent(id)}` })),
    hostileText("hangup").map((value) => ({
      method: "PATCH",
      path: "/v1/wallet",
      body: { on_zero_balance: value },
    })),
  );
}

/** Half a surrogate pair cannot be in a URL. */
const encodable = (text: string): string => text.toWellFormed();
