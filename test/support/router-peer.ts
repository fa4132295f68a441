import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Router } from "zeromq";
import { decodeWorkerEnvelope, type Envelope, encodeServerEnvelope } from "../../bridge/src/envelope.ts";
import { LOOSE, type ServerMessage, type WorkerMessage, type WorkerMessageOf } from "../../bridge/src/messages.ts";

export const EPOCH = "9f86d081884c7d659a2feaa0c55ad015";
export const SESSION = "5d41402abc4b2a76b9719d911017c592";

export const WELCOME = {
  type: "welcome",
  protocol: 1,
  build: "0.1.0",
  epoch: EPOCH,
  hello: 1,
  session: SESSION,
  resumed: false,
  received: 0,
  tick: 0.5,
  authority_seconds: 8,
  pid: 42,
  python: "3.11.7",
  generation: null,
  cluster: null,
  registry_digest: "digest",
  credit: { messages: 20_000, bytes: 64 * 1024 * 1024 },
  capabilities: [],
} as const;

export const REGISTRY = { type: "registry", tasks: [], failures: [] } as const;
export const INVENTORY = { type: "inventory", attempts: [], last: true } as const;
export const HEARTBEAT = {
  type: "heartbeat",
  tick: 1,
  running: 0,
  unrecorded: 0,
  unrecorded_bytes: 0,
  accepting: true,
} as const;

type Welcome = ServerMessage & { type: "welcome" };

/** A server that says exactly what the test tells it to. */
export class RouterPeer {
  readonly endpoint: string;
  readonly #folder: string;
  #router = openRouter();
  #worker: Buffer | null = null;
  #sent = 0;
  /** The highest seq received, for acks. */
  received = 0;

  private constructor(folder: string, endpoint: string) {
    this.#folder = folder;
    this.endpoint = endpoint;
  }

  static async bind(endpoint?: string): Promise<RouterPeer> {
    const folder = await mkdtemp(join(tmpdir(), "rayferry-peer-"));
    const peer = new RouterPeer(folder, endpoint ?? `ipc://${join(folder, "s")}`);
    await peer.#router.bind(peer.endpoint);
    return peer;
  }

  /** Routing id of the worker that spoke last. */
  get worker(): string | null {
    return this.#worker?.toString() ?? null;
  }

  /** The connection breaks, with whatever is under way on it; a new one can be made at once. */
  async reconnect(): Promise<void> {
    this.#router.close();
    this.#router = openRouter();
    await this.#router.bind(this.endpoint);
  }

  /** The next frame, heartbeats and bare acks left out; fails after 5 s without one. */
  async receive(): Promise<Envelope<WorkerMessage>> {
    for (;;) {
      const envelope = await this.receiveAny();
      if (envelope.messages.some((message) => message.type !== "heartbeat")) return envelope;
    }
  }

  async receiveAny(): Promise<Envelope<WorkerMessage>> {
    const [worker, frame] = await this.#router.receive();
    if (worker === undefined || frame === undefined) throw new Error("A message without a frame came.");
    this.#worker = worker;
    const envelope = decodeWorkerEnvelope(frame);
    this.received = Math.max(this.received, envelope.seq);
    return envelope;
  }

  /** The next hello; whatever comes before it is dropped. */
  async receiveHello(): Promise<WorkerMessageOf<"hello">> {
    for (;;) {
      const [message] = (await this.receive()).messages;
      if (message?.type === "hello") return message;
    }
  }

  /** Sends one frame: the next numbered one, or a loose one for loose messages, unless `head` says otherwise. */
  async send(
    messages: readonly ServerMessage[],
    head: { epoch?: string | null; seq?: number; ack?: number } = {},
  ): Promise<void> {
    const isLoose = messages.every((message) => LOOSE.has(message.type));
    if (!isLoose && head.seq === undefined) this.#sent += 1;
    const { epoch = EPOCH, seq = isLoose ? 0 : this.#sent, ack = this.received } = head;
    await this.sendBytes(encodeServerEnvelope({ protocol: 1, epoch, seq, ack, messages }));
  }

  async sendBytes(bytes: Uint8Array): Promise<void> {
    if (this.#worker === null) throw new Error("No worker has spoken yet.");
    await this.#router.send([this.#worker, bytes]);
  }

  /** Takes the hello and answers it, a new session with registry and inventory. */
  async welcome(fields: Partial<Welcome> = {}): Promise<WorkerMessageOf<"hello">> {
    const hello = await this.receiveHello();
    const welcome: Welcome = { ...WELCOME, hello: hello.hello, ...fields };
    if (!welcome.resumed) this.#sent = this.received = 0;
    await this.send([welcome], { ack: 0 });
    if (!welcome.resumed) await this.send([REGISTRY, INVENTORY]);
    return hello;
  }

  async close(): Promise<void> {
    this.#router.close();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

function openRouter(): Router {
  return new Router({ mandatory: true, handover: true, linger: 0, receiveTimeout: 5_000 });
}
