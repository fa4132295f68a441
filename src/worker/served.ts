import type { ServerMessage, ServerMessageOf, Welcome, WorkerMessage } from "../../bridge/src/index.ts";
import type { RayFacts } from "../worker-lease.ts";
import type { ServerAttempts } from "./server-attempts.ts";

/** A server that this incarnation has a session with: the one that it submits to, or one that it drains. */
export class Served {
  readonly attempts: ServerAttempts;
  readonly #send: (message: WorkerMessage) => void;
  /** How long the server's authority lasts from a tick that is echoed. */
  readonly authoritySeconds: number;
  /** False while it wants no more work. */
  accepting = true;
  /** Ray as the server last saw it; null without Ray. */
  ray: RayFacts | null;
  #tick: number;
  #echoed: number | null = null;

  constructor(
    attempts: ServerAttempts,
    welcome: Pick<Welcome["welcome"], "tick" | "authority_seconds" | "cluster">,
    send: (message: WorkerMessage) => void,
  ) {
    this.attempts = attempts;
    this.authoritySeconds = welcome.authority_seconds;
    this.#tick = welcome.tick;
    this.#send = send;
    this.ray = rayOf(welcome.cluster);
  }

  get server(): string {
    return this.attempts.server;
  }

  take(message: ServerMessage): void {
    if (message.type === "heartbeat") {
      this.#tick = message.tick;
      this.accepting = message.accepting;
    } else if (message.type === "cluster") {
      this.#see(message.cluster);
    } else {
      this.attempts.take(message);
    }
  }

  /** The newest tick, unless it was echoed before: it has to have come before the lease is renewed. */
  newTick(): number | null {
    return this.#tick === this.#echoed ? null : this.#tick;
  }

  /** After the commit that renewed the lease. */
  echo(tick: number): void {
    this.#echoed = tick;
    this.#send({ type: "authority", tick });
  }

  #see(facts: ServerMessageOf<"cluster">["cluster"]): void {
    const { cpus_free: cpusFree, gpus_free: gpusFree, memory_free: memoryFree, ...rest } = facts;
    const { address = null, version = null } = this.ray ?? {};
    this.ray = { address, version, ...rest, cpusFree, gpusFree, memoryFree };
  }
}

/** As the welcome tells it, before the server has asked Ray what is free. */
function rayOf(cluster: Welcome["welcome"]["cluster"]): RayFacts | null {
  if (cluster === null) return null;
  const { address, ray: version, nodes, cpus, gpus } = cluster;
  const unknown = { cpusFree: null, gpusFree: null, memory: null, memoryFree: null };
  return { address, version, reachable: true, nodes, cpus, gpus, ...unknown };
}
