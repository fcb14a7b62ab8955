import type { Clock, Timer } from "../../clock.ts";
import type { EventBus } from "./event-bus.ts";

interface Task {
  id: number;
  group: string;
  description: string;
  dueS: number;
  run: () => void;
  timer: Timer;
}

/** The real scheduler looks at its list about four times a second: a task runs this much after its second. */
const latenessMs = 20;

/**
 * Tasks at whole seconds of the clock: `+N` is due at floor(now) + N, so up to a second early. Groups are only names;
 * those of a channel's own tasks are its uuid.
 */
export class Scheduler {
  readonly #clock: Clock;
  readonly #events: EventBus;
  readonly #tasks = new Map<number, Task>();
  #lastId = 0;

  constructor(options: { clock: Clock; events: EventBus }) {
    this.#clock = options.clock;
    this.#events = options.events;
  }

  /** `when` as FreeSWITCH reads it: `+5`, `@` or a bare epoch in seconds; anything else is due at once. */
  add(when: string, group: string, description: string, run: () => void): number {
    const nowS = Math.floor(this.#clock.nowMs() / 1000);
    const number = Number.parseInt(when.replace(/^[+@]/, ""), 10) || 0;
    const dueS = when.startsWith("+") ? nowS + number : Math.max(number, nowS);
    this.#lastId += 1;
    const id = this.#lastId;
    const task = { id, group, description, dueS, run, timer: this.#clock.after(0, () => undefined) };
    this.#tasks.set(id, task);
    this.#arm(task);
    this.#events.publish("ADD_SCHEDULE", headersOf(task));
    return id;
  }

  /** Deletes a group's tasks; says how many there were. */
  deleteGroup(group: string): number {
    const tasks = [...this.#tasks.values()].filter((task) => task.group === group);
    for (const task of tasks) this.#remove(task);
    return tasks.length;
  }

  close(): void {
    for (const task of this.#tasks.values()) task.timer.cancel();
    this.#tasks.clear();
  }

  #arm(task: Task): void {
    const delayMs = task.dueS * 1000 - this.#clock.nowMs() + latenessMs;
    task.timer.cancel();
    task.timer = this.#clock.after(Math.max(delayMs, latenessMs), () => {
      // A long timer, or one that fired early by rounding, is armed again for the rest.
      if (this.#clock.nowMs() < task.dueS * 1000) return this.#arm(task);
      task.run();
      this.#remove(task);
    });
  }

  #remove(task: Task): void {
    task.timer.cancel();
    if (this.#tasks.delete(task.id)) this.#events.publish("DEL_SCHEDULE", headersOf(task));
  }
}

const headersOf = (task: Task): [string, string][] => [
  ["Task-ID", String(task.id)],
  ["Task-Desc", task.description],
  ["Task-Group", task.group],
  ["Task-Runtime", String(task.dueS)],
];
