/** What an application that takes time lets others do to it. */
export interface RunningApplication {
  /** Ends it, saying so in its own events; it then calls the `done` it was given. */
  stop(why: "break" | "hangUp" | "bridge"): void;
  digit(digit: string): void;
  /** Another application starts inside it, or has ended. */
  pause(paused: boolean): void;
}

/** An application that somebody wants run. */
export interface Execute {
  name: string;
  argument: string;
  uuid: string;
  /** `loops: 3`; negative: for ever. */
  loops: number;
  /** `event-lock`: whatever comes next waits until it is done. */
  locked: boolean;
}

/** A channel's applications: those waiting, and those running inside one another. */
export interface ApplicationQueue {
  /** Runs at the channel's next tick in which it may: it has media, and nothing locked is before it. */
  queue(name: string, argument: string, more?: Partial<Execute>): void;
  /** Looks whether what waits may run now. */
  wake(): void;
  /** For hooks: at once, waiting for nobody, its events before whatever comes next. */
  runNow(name: string, argument: string, whenDone?: () => void): void;
  digit(digit: string): void;
  /** `uuid_break`: what runs now; with `all`, also what waits. */
  break(all: boolean): void;
  /** What runs ends; at the hang-up what waits goes too. */
  end(why: "hangUp" | "bridge"): void;
}
