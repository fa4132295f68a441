import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { KeyPair } from "../../bridge/src/keys.ts";
import { findPython } from "../../src/worker/python.ts";
import { waitFor } from "./wait-for.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const SCRIPT = fileURLToPath(new URL("link_peer.py", import.meta.url));

export interface LinkPeerOptions {
  /** Default: a free port on 127.0.0.1. */
  readonly endpoint?: string;
  /** The server's own pair; null: no CURVE. */
  readonly pair: KeyPair | null;
  /** Public keys that may connect. */
  readonly clients?: readonly string[];
}

interface LogLine {
  readonly level: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

/** The server's real socket (Python, RouterLink) in a process of its own; it echoes frames. */
export class LinkPeer {
  readonly endpoint: string;
  readonly log: LogLine[] = [];
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, endpoint: string) {
    this.#child = child;
    this.endpoint = endpoint;
  }

  static async start({ endpoint = "tcp://127.0.0.1:0", pair, clients = [] }: LinkPeerOptions): Promise<LinkPeer> {
    const options = { endpoint, pair: pair === null ? null : [pair.publicKey, pair.secretKey], clients };
    const child = spawn(findPython(null, ROOT), [SCRIPT, JSON.stringify(options)], {
      env: { ...process.env, PYTHONPATH: fileURLToPath(new URL("../../python", import.meta.url)) },
      stdio: ["ignore", "pipe", "inherit"],
    });
    const lines = createInterface({ input: child.stdout });
    const [first] = (await Promise.race([once(lines, "line"), once(child, "close")])) as [unknown];
    if (typeof first !== "string") throw new Error("The peer didn't start; see its stderr.");
    const peer = new LinkPeer(child, (JSON.parse(first) as { endpoint: string }).endpoint);
    lines.on("line", (line) => peer.log.push(JSON.parse(line) as LogLine));
    return peer;
  }

  /** Waits for a line of its log that begins so. */
  async logged(beginning: string, timeoutMs: number): Promise<LogLine> {
    const find = () => this.log.find((line) => line.msg.startsWith(beginning));
    await waitFor(`the peer's log line "${beginning}"`, () => find() !== undefined, timeoutMs);
    return find() as LogLine;
  }

  signal(signal: "SIGSTOP" | "SIGCONT"): void {
    this.#child.kill(signal);
  }

  /** Kills it, as with kill -9. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const closed = once(this.#child, "close");
    this.#child.kill("SIGKILL");
    await closed;
  }
}
