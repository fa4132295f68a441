/**
 * Whether a connection that doesn't come about ever will, and the sentence when it won't.
 *
 * Measured with zeromq.js 6.8, on ipc and tcp alike:
 *   the server doesn't know the client's key     handshake:error:auth 400 after 2 ms, and ZeroMQ doesn't try again
 *   the client has another server's key          handshake:error:other EPIPE each 50 ms, for ever
 *   a key on one side alone                      handshake:error:other EPIPE some times, then handshake:error:protocol
 *                                                ERR_ZMTP_MECHANISM_MISMATCH (0 to 450 ms), and ZeroMQ doesn't try again
 *   a server that is just ending                 handshake:error:other EPIPE
 *   a server that is frozen or overloaded        handshake:error:other EAGAIN when the handshake's time is over
 * The broken pipes are told apart by the greeting of what answers.
 */
import { BridgeError, BridgeRefusedError, BridgeSecurityError, type BridgeSecurityReason } from "../../src/errors.ts";
import { type Greeting, readGreeting } from "./greeting.ts";
import { type CurveOptions, fingerprint } from "./keys.ts";

/** Milliseconds from a connect to its failure, beyond which it isn't the keys: the server is overloaded or frozen. */
const QUICK = 1_000;
/** Quick failures in a row, 50 ms apart, each with CURVE in the greeting right after it, until it is the key and no restart. */
const CERTAIN = 3;
/** Milliseconds after a connect without a handshake, until it is asked what answers there. */
const PATIENCE = 300;
const GREETING_TIMEOUT = 400;

/** Whom it is meant for. */
export interface Peer {
  readonly endpoint: string;
  /** Null: neither encrypted nor authenticated. */
  readonly curve: CurveOptions | null;
}

export class Refusal {
  readonly #peer: Peer;
  readonly #refuse: (error: BridgeError) => void;
  #timer: NodeJS.Timeout | null = null;
  #connectedAt = 0;
  #failures = 0;
  #handshakes = 0;
  #asking = false;
  #isOver = false;

  constructor(peer: Peer, refuse: (error: BridgeError) => void) {
    this.#peer = peer;
    this.#refuse = refuse;
  }

  /** The transport stands; the handshake begins. */
  onConnect(): void {
    this.#connectedAt = performance.now();
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#ask(false), PATIENCE);
  }

  /** The handshake is through. */
  onHandshake(): void {
    this.#failures = 0;
    this.#handshakes += 1;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  /** The connection ended before its handshake was through. */
  onFailure(): void {
    if (performance.now() - this.#connectedAt <= QUICK) void this.#ask(true);
  }

  onAuth(status: number): void {
    const { endpoint, curve } = this.#peer;
    if (status === 400) this.#end("UNKNOWN_CLIENT_KEY");
    else {
      const key = fingerprint(curve?.publicKey ?? "");
      this.#finish(
        new BridgeError(
          `The server at ${endpoint} couldn't check this worker's key ${key}... (ZAP status ${status}). Its log says why.`,
        ),
      );
    }
  }

  onProtocol(code: string): void {
    if (code !== "ERR_ZMTP_MECHANISM_MISMATCH") this.#finish(notZeromq(this.#peer.endpoint, code));
    else {
      const reason = this.#peer.curve === null ? "KEY_NEEDED" : "KEY_UNWANTED";
      void this.#greet().then(() => this.#end(reason));
    }
  }

  close(): void {
    this.#isOver = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  async #ask(hasFailed: boolean): Promise<void> {
    if (this.#asking || this.#isOver) return;
    this.#asking = true;
    const handshakes = this.#handshakes;
    const greeting = await this.#greet();
    this.#asking = false;
    // It came about meanwhile.
    if (this.#handshakes > handshakes) return;
    if (greeting !== "CURVE") this.#failures = 0;
    else if (hasFailed) this.#failures += 1;
    const verdict = judge(greeting, this.#peer.curve !== null, this.#failures);
    if (verdict === "NOT_ZEROMQ") this.#finish(notZeromq(this.#peer.endpoint, null));
    else if (verdict !== null) this.#end(verdict);
  }

  #greet(): Promise<Greeting> {
    const { endpoint, curve } = this.#peer;
    return readGreeting(endpoint, curve === null ? "NULL" : "CURVE", GREETING_TIMEOUT);
  }

  #end(reason: BridgeSecurityReason): void {
    this.#finish(new BridgeSecurityError(reason, sentence(reason, this.#peer)));
  }

  #finish(error: BridgeError): void {
    if (this.#isOver) return;
    this.close();
    this.#refuse(error);
  }
}

/** Why it never will be; null: it may be yet. */
export function judge(
  greeting: Greeting,
  hasKey: boolean,
  failures: number,
): BridgeSecurityReason | "NOT_ZEROMQ" | null {
  switch (greeting) {
    case "silent":
      return null;
    case "foreign":
    case "other mechanism":
      return "NOT_ZEROMQ";
    case "NULL":
      return hasKey ? "KEY_UNWANTED" : null;
    case "CURVE":
      if (!hasKey) return "KEY_NEEDED";
      return failures >= CERTAIN ? "WRONG_SERVER_KEY" : null;
  }
}

function sentence(reason: BridgeSecurityReason, { endpoint, curve }: Peer): string {
  const own = fingerprint(curve?.publicKey ?? "");
  const expected = fingerprint(curve?.serverKey ?? "");
  switch (reason) {
    case "UNKNOWN_CLIENT_KEY":
      return `The server at ${endpoint} doesn't know this worker's key, ${own}... Add its .pub file to the server's --clients.`;
    case "WRONG_SERVER_KEY":
      return `The server at ${endpoint} isn't the one with the public key ${expected}... Correct the address, or give this server's .pub file with --server-key. (Or the two halves in this worker's own key file, ${own}..., don't belong together.)`;
    case "KEY_NEEDED":
      return `The server at ${endpoint} takes only workers with a key, and this one has none. Give its own .key file with --keys, and the server's .pub file with --server-key.`;
    case "KEY_UNWANTED":
      return `The server at ${endpoint} has no key, and this worker expects the key ${expected}... Start the server with --keys and --clients, or leave out --keys and --server-key here.`;
  }
}

function notZeromq(endpoint: string, code: string | null): BridgeRefusedError {
  const detail = code === null ? "" : ` (${code})`;
  const sentence = `What answers at ${endpoint} isn't a server of rayferry${detail}. Correct the address.`;
  return new BridgeRefusedError("NOT_A_SERVER", sentence);
}
