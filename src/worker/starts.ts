import type { ServerMessageOf } from "../../bridge/src/index.ts";
import type { Store } from "../store/connection.ts";
import { type StartedAttempt, start } from "../store/start.ts";
import type { HeldAttempts } from "./held.ts";

/** Milliseconds that an attempt has run before its start is worth a row's update; most have ended by then. */
const WORTH_NOTING = 1_000;

interface Begun {
  readonly message: ServerMessageOf<"started">;
  readonly receivedAt: number;
}

/** Writes down when attempts began, of those that go on for more than a moment. */
export class Starts {
  readonly #held: HeldAttempts;
  #begun: Begun[] = [];

  constructor(held: HeldAttempts) {
    this.#held = held;
  }

  add(message: ServerMessageOf<"started">): void {
    const held = this.#held.find(message.execution, message.fence);
    if (held === null) return;
    held.phase = "RUNNING";
    this.#begun.push({ message, receivedAt: performance.now() });
  }

  /** With every beat. What it can't write now is written with the next one. */
  async note(store: Store, holder: string): Promise<void> {
    const now = performance.now();
    const running = this.#begun.filter(({ message }) => this.#held.find(message.execution, message.fence) !== null);
    const due = running.filter(({ receivedAt }) => now - receivedAt >= WORTH_NOTING);
    this.#begun = running;
    if (due.length === 0) return;
    await start(
      store,
      holder,
      due.map((each) => toStarted(each, now)),
    );
    this.#begun = this.#begun.filter((each) => !due.includes(each));
  }
}

function toStarted({ message, receivedAt }: Begun, now: number): StartedAttempt {
  const { run } = message;
  return {
    id: message.execution,
    fence: message.fence,
    run: {
      rayTaskId: run.ray_task_id,
      nodeId: run.node_id,
      workerId: run.worker_id,
      pid: run.pid,
      ageSeconds: run.age_seconds + (now - receivedAt) / 1000,
    },
  };
}
