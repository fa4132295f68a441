import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Router } from "zeromq";
import { decodeWorkerEnvelope, type Envelope, encodeServerEnvelope } from "../../bridge/src/envelope.ts";
import type { ServerMessage, WorkerMessage } from "../../bridge/src/messages.ts";

export const EPOCH = "9f86d081884c7d659a2feaa0c55ad015";

export const WELCOME = {
  type: "welcome",
  protocol: 1,
  build: "0.1.0",
  epoch: EPOCH,
  tick: 0.5,
  pid: 42,
  python: "3.11.7",
  cluster: null,
  registry_digest: "digest",
  held: [],
} as const;

export const REGISTRY = { type: "registry", tasks: [], failures: [] } as const;

/** A server that says exactly what the test tells it to. */
export class RouterPeer {
  readonly endpoint: string;
  readonly #folder: string;
  readonly #router = new Router({ mandatory: true, handover: true, linger: 0, receiveTimeout: 5_000 });
  #worker: Buffer | null = null;
  #sent = 0;

  private constructor(folder: string) {
    this.#folder = folder;
    this.endpoint = `ipc://${join(folder, "s")}`;
  }

  static async bind(): Promise<RouterPeer> {
    const peer = new RouterPeer(await mkdtemp(join(tmpdir(), "rayferry-peer-")));
    await peer.#router.bind(peer.endpoint);
    return peer;
  }

  /** Routing id of the worker that spoke last. */
  get worker(): string | null {
    return this.#worker?.toString() ?? null;
  }

  /** The next frame; fails after 5 s without one. */
  async receive(): Promise<Envelope<WorkerMessage>> {
    const [worker, frame] = await this.#router.receive();
    if (worker === undefined || frame === undefined) throw new Error("A message without a frame came.");
    this.#worker = worker;
    return decodeWorkerEnvelope(frame);
  }

  /** Sends one frame with the next `seq`, unless `head` says otherwise. */
  async send(messages: readonly ServerMessage[], head: { epoch?: string | null; seq?: number } = {}): Promise<void> {
    this.#sent += 1;
    const { epoch = EPOCH, seq = this.#sent } = head;
    await this.sendBytes(encodeServerEnvelope({ protocol: 1, epoch, seq, ack: 0, messages }));
  }

  async sendBytes(bytes: Uint8Array): Promise<void> {
    if (this.#worker === null) throw new Error("No worker has spoken yet.");
    await this.#router.send([this.#worker, bytes]);
  }

  /** Takes the hello and answers it. */
  async welcome(): Promise<void> {
    await this.receive();
    await this.send([WELCOME, REGISTRY]);
  }

  async close(): Promise<void> {
    this.#router.close();
    await rm(this.#folder, { recursive: true, force: true });
  }
}
