import type { IntentOwner } from "../ids.ts";
import type { Destination } from "./deliveries.ts";

export interface Topics {
  /** The call, or the room, has intents to carry out, or wants to be woken at another time. */
  calls: IntentOwner;
  /** Something is due there. */
  deliveries: Destination;
  /** A mail is due. */
  mails: null;
  /** Who is let in with SIP credentials. */
  logins: null;
  /** Which addresses are banned. */
  bans: null;
  /** The list of logins beside a media server is another now. */
  directories: null;
  /** The trunks' files beside a media server are others now. */
  trunks: null;
  /** A person's data is to be exported, or erased. */
  privacy: null;
}
export type Topic = keyof Topics;

/**
 * Which rows changed: hints from the parts that write to the parts that act, which may be other processes. One may be
 * lost, so who listens looks for itself from time to time as well.
 */
export interface Signals {
  /** To be called after the commit. Told to the listener of this process, and to those of the others. */
  tell<T extends Topic>(topic: T, what: Topics[T]): void;
  /** One listener a topic. */
  listen<T extends Topic>(topic: T, listener: (what: Topics[T]) => void): void;
  close(): Promise<void>;
}

/** Within the process alone: what goes with SQLite. */
export function localSignals(): Signals {
  const listeners: Listeners = {};
  return {
    tell: (topic, what) => listeners[topic]?.(what),
    listen: (topic, listener) => void Object.assign(listeners, { [topic]: listener }),
    close: () => Promise.resolve(),
  };
}

export type Listeners = { [T in Topic]?: (what: Topics[T]) => void };
