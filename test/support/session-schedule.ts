import fc from "fast-check";
import { expect, vi } from "vitest";
import { decodeEnvelope, decodeWorkerEnvelope } from "../../bridge/src/envelope.ts";
import { BridgeSession } from "../../bridge/src/session.ts";
import type { BridgeError } from "../../src/errors.ts";
import { ModelNetwork } from "./model-network.ts";
import { ModelServer } from "./model-server.ts";

const STEPS = {
  "worker says": (play: Play, count: number) => play.workerSays(count),
  "server says": (play: Play, count: number) => play.serverSays(count),
  up: (play: Play, count: number) => play.up(count),
  down: (play: Play, count: number) => play.down(count),
  acknowledge: (play: Play) => play.server.acknowledge(),
  hold: (play: Play, count: number) => play.session.hold(count % 2 === 0),
  connect: (play: Play) => play.network.connect(),
  disconnect: (play: Play) => play.disconnect(),
  "lose up": (play: Play) => lose(play.network.up, (frame) => decodeWorkerEnvelope(frame).seq),
  "lose down": (play: Play) => lose(play.network.down, (frame) => decodeEnvelope(frame).seq),
  "repeat up": (play: Play) => repeat(play.network.up, (frame) => decodeWorkerEnvelope(frame).seq),
  "repeat down": (play: Play) => repeat(play.network.down, (frame) => decodeEnvelope(frame).seq),
  "fail a send": (play: Play) => {
    play.network.failing += 1;
  },
} as const;
const OFTEN = ["worker says", "server says", "up", "down", "up", "down", "connect"] as const;
const NAMES = [...OFTEN, ...OFTEN, ...(Object.keys(STEPS) as (keyof typeof STEPS)[])] as const;

export const SCHEDULE = fc.array(fc.tuple(fc.constantFrom(...NAMES), fc.integer({ min: 1, max: 4 })), {
  minLength: 10,
  maxLength: 80,
});

/** A real session and a model of a server, with a network between them that a schedule rules. */
class Play {
  readonly network = new ModelNetwork();
  readonly server = new ModelServer(3, (frame) => this.network.down.push(frame));
  readonly lost: BridgeError[] = [];
  readonly heard: number[] = [];
  readonly session = new BridgeSession({
    endpoint: "ipc://none",
    build: "0",
    worker: "w",
    incarnation: "i",
    database: null,
    openTimeout: 1_000_000,
    silence: 1_000_000,
    onMessage: (message) => message.type === "accepted" && this.heard.push(message.fence),
    onLost: (error) => this.lost.push(error),
    openSocket: this.network.openSocket,
  });
  #workerSaid = 0;
  #serverSaid = 0;

  workerSays(count: number): void {
    for (let each = 0; each < count; each += 1)
      this.session.send({ type: "recorded", attempts: [["id", ++this.#workerSaid]] });
  }

  /** Nothing of its own before a session begins: an older session's numbers are void. */
  serverSays(count: number): void {
    if (!this.isOpen) return;
    for (let each = 0; each < count; each += 1)
      this.server.say({ type: "accepted", execution: "id", fence: ++this.#serverSaid });
  }

  up(count: number): void {
    for (const frame of this.network.up.splice(0, count)) this.server.take(frame);
  }

  down(count: number): void {
    for (let each = 0; each < count; each += 1) this.network.deliverDown();
  }

  disconnect(): void {
    this.network.disconnect();
    this.server.detach();
  }

  isOpen = false;

  /** A last new connection, and all that is under way arrives. */
  async comeToRest(): Promise<void> {
    this.session.hold(false);
    this.network.failing = 0;
    this.disconnect();
    this.network.connect();
    for (let round = 0; round < 200 && !this.#isAtRest; round += 1) {
      await vi.advanceTimersByTimeAsync(250);
      this.up(100);
      this.server.acknowledge();
      this.down(100);
    }
  }

  get #isAtRest(): boolean {
    const hasAll = this.heard.length >= this.#serverSaid && this.server.heard.length >= this.#workerSaid;
    return this.isOpen && hasAll && this.server.isAtRest && this.session.backlog === 0;
  }

  check(): void {
    const numbers = (count: number) => Array.from({ length: count }, (_, index) => index + 1);
    expect(this.lost).toEqual([]);
    expect(this.server.heard.map((each) => (each.type === "recorded" ? each.attempts[0]?.[1] : each.type))).toEqual(
      numbers(this.#workerSaid),
    );
    expect(this.heard).toEqual(numbers(this.#serverSaid));
  }
}

/** Every numbered message arrives once and in order, on both sides. Needs fake timers. */
export async function playSchedule(schedule: readonly (readonly [keyof typeof STEPS, number])[]): Promise<void> {
  const play = new Play();
  void play.session.open().then(() => {
    play.isOpen = true;
  });
  for (const [step, count] of schedule) {
    STEPS[step](play, count);
    await vi.advanceTimersByTimeAsync(0);
  }
  await play.comeToRest();
  play.check();
  const closed = play.session.close("done", false);
  await vi.advanceTimersByTimeAsync(100);
  await closed;
}

/** Only numbered ones: ZeroMQ loses nothing while a connection stands, and repeats nothing. */
function lose(queue: Uint8Array[], seqOf: (frame: Uint8Array) => number): void {
  const [first] = queue;
  if (first !== undefined && seqOf(first) > 0) queue.shift();
}

function repeat(queue: Uint8Array[], seqOf: (frame: Uint8Array) => number): void {
  const [first] = queue;
  if (first !== undefined && seqOf(first) > 0) queue.unshift(first);
}
