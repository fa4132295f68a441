/**
 * The Python process: started in its own process group, its log lines put into ours. Its stdin is a pipe that it watches: when this process dies,
 * however it dies, the kernel closes the pipe and the sidecar stops itself and its Ray.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { delimiter } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import type { CurveOptions } from "../../bridge/src/index.ts";
import { SidecarError } from "../errors.ts";
import type { Logger } from "../logger.ts";
import { PYTHON_SOURCE } from "../package.ts";
import type { Runner } from "./options.ts";

export interface SidecarOptions {
  readonly python: string;
  readonly folder: string;
  readonly endpoint: string;
  readonly runner: Runner;
  /** For `cluster`: host the server in this process instead of an actor. */
  readonly attached: boolean;
  readonly rayAddress: string | null;
  readonly rayTempFolder: string;
  readonly tasks: readonly string[];
  readonly authoritySeconds: number;
  readonly orphanGraceSeconds: number;
  /** Where the actor lives; null: on a node that outlives the worker. */
  readonly hostOn: string | null;
  readonly worker: string;
  readonly databaseDigest: string;
  readonly logger: Logger;
}

/** The actor that hosts a server. */
export interface ServingActor {
  readonly name: string;
  readonly namespace: string;
}

export interface ServerWay {
  readonly endpoint: string;
  /** Null: without CURVE, on this machine. */
  readonly curve: CurveOptions | null;
}

/** Where the server listens, told by the sidecar when it does. */
export interface Serving extends ServerWay {
  readonly actor: ServingActor | null;
}

/** The answer to `relay`. */
export interface Relayed {
  /** Null where the actor isn't there to be reached. */
  readonly endpoint: string | null;
  readonly curve: CurveOptions | null;
  /** Ray says that the actor is dead, or has never been. */
  readonly dead: boolean;
  readonly reason: string | null;
}

/** Milliseconds for a clean stop: the sidecar shuts down its Ray. */
const STOP_WITHIN = 8_000;
/** Milliseconds from its end to that of its pipes: its last words are read by then. */
const PIPES_WITHIN = 1_000;
/** What a sidecar's own exit statuses mean (python/rayferry/host.py). */
const ENDS: Readonly<Record<number, [reason: string, sentence: string]>> = {
  4: ["AUTHORITY_EXPIRED", "The sidecar stopped its work and ended: its worker's lease wasn't renewed in time."],
  5: ["RAY_DIED", "The sidecar ended: the Ray that it submits to is broken; its log says how."],
};
/** stderr lines that aren't ours, kept to explain an early death. */
const LAST_WORDS = 15;

export class Sidecar {
  readonly pid: number;
  /** Resolves when the process has ended, with why. */
  readonly ended: Promise<SidecarError>;
  readonly #process: ChildProcess;
  readonly #serving = Promise.withResolvers<Serving>();
  readonly #relays = new Map<string, PromiseWithResolvers<Relayed>>();
  #end: SidecarError | null = null;

  private constructor(child: ChildProcess, pid: number, ended: Promise<SidecarError>) {
    this.#process = child;
    this.pid = pid;
    this.ended = ended;
    this.#serving.promise.catch(() => {});
    if (child.stdout !== null)
      createInterface({ input: child.stdout }).on("line", (line) => this.#hear(parseEvent(line)));
    void ended.then((error) => {
      this.#end = error;
      this.#serving.reject(error);
      for (const relay of this.#relays.values()) relay.reject(error);
    });
  }

  /**
   * Where its server listens.
   *
   * @throws SidecarError when it ends before, or takes longer than `milliseconds`.
   */
  async serving(milliseconds: number): Promise<Serving> {
    const timer = setTimeout(
      () =>
        this.#serving.reject(new SidecarError("SILENT", `The sidecar didn't serve within ${milliseconds / 1000} s.`)),
      milliseconds,
    );
    return await this.#serving.promise.finally(() => clearTimeout(timer));
  }

  /** A way to the server in an actor on any node: straight to it, or the sidecar passes its frames on. */
  async relay(actor: ServingActor): Promise<Relayed> {
    // Nobody would ever answer.
    if (this.#end !== null) throw this.#end;
    const asked = this.#relays.get(actor.name) ?? Promise.withResolvers<Relayed>();
    if (!this.#relays.has(actor.name)) {
      this.#relays.set(actor.name, asked);
      this.#process.stdin?.write(`${JSON.stringify({ command: "relay", ...actor })}\n`);
    }
    return await asked.promise;
  }

  #hear(event: Record<string, unknown> | null): void {
    if (event?.["event"] === "serving") this.#serving.resolve(event as unknown as Serving);
    if (event?.["event"] !== "relay") return;
    const name = String(event["actor"]);
    this.#relays.get(name)?.resolve(event as unknown as Relayed);
    // Asked again, it is looked for again.
    this.#relays.delete(name);
  }

  /** @throws SidecarError when there is no such interpreter. */
  static async start(options: SidecarOptions): Promise<Sidecar> {
    const child = spawn(options.python, toArguments(options), {
      cwd: options.folder,
      env: {
        ...process.env,
        PYTHONPATH: [PYTHON_SOURCE, options.folder, process.env["PYTHONPATH"]].filter(Boolean).join(delimiter),
        PYTHONUNBUFFERED: "1",
      },
      stdio: ["pipe", "pipe", "pipe"],
      detached: true,
    });
    child.stdin?.on("error", () => {});
    const words = new Words(options.logger);
    if (child.stderr !== null) words.follow(child.stderr);
    await new Promise<void>((resolve, reject) => {
      child.once("spawn", resolve);
      child.once("error", (error) =>
        reject(
          new SidecarError(
            "PYTHON_NOT_FOUND",
            `The Python interpreter ${options.python} can't be started (${error.message}). Name one with --python or RAYFERRY_PYTHON.`,
            { cause: error },
          ),
        ),
      );
    });
    const ended = new Promise<SidecarError>((resolve) => {
      child.once("close", (code, signal) => resolve(words.explain(code, signal)));
      // What a task started may have its pipes, and live on: then they are let go of.
      child.once("exit", () => {
        const timer = setTimeout(
          () => [child.stdout, child.stderr].forEach((pipe) => void pipe?.destroy()),
          PIPES_WITHIN,
        );
        child.once("close", () => clearTimeout(timer));
      });
    });
    return new Sidecar(child, child.pid ?? 0, ended);
  }

  /** Lets it stop by itself, then kills its process group. */
  async stop(): Promise<void> {
    this.#process.stdin?.end();
    const timer = setTimeout(() => this.kill(), STOP_WITHIN);
    await this.ended;
    clearTimeout(timer);
  }

  /** Kills it and whatever is left of its process group. */
  kill(): void {
    try {
      process.kill(-this.pid, "SIGKILL");
    } catch {
      // It has ended.
    }
  }
}

function toArguments(options: SidecarOptions): string[] {
  const address = options.rayAddress === null ? [] : ["--ray-address", options.rayAddress];
  return [
    "-m",
    "rayferry",
    "sidecar",
    "--endpoint",
    options.endpoint,
    "--runner",
    options.runner,
    "--ray-temp-dir",
    options.rayTempFolder,
    "--authority-seconds",
    String(options.authoritySeconds),
    ...options.tasks.flatMap((module) => ["--tasks", module]),
    ...address,
    ...(options.runner === "cluster" && !options.attached ? hostedArguments(options) : []),
  ];
}

function hostedArguments(options: SidecarOptions): string[] {
  const { worker, databaseDigest, orphanGraceSeconds, hostOn } = options;
  const place = hostOn === null ? [] : ["--host-on", hostOn];
  const named = ["--hosted", "--worker", worker, "--database", databaseDigest];
  return [...named, "--orphan-grace", String(orphanGraceSeconds), ...place];
}

/** What the sidecar says: JSON lines become log lines of ours, the rest is kept as its last words. */
class Words {
  readonly #logger: Logger;
  #fatal: { code: string; msg: string } | null = null;
  readonly #others: string[] = [];

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  follow(stream: Readable): void {
    createInterface({ input: stream }).on("line", (line) => this.#take(line));
  }

  explain(code: number | null, signal: NodeJS.Signals | null): SidecarError {
    if (this.#fatal !== null) return new SidecarError(this.#fatal.code, this.#fatal.msg);
    const how = signal === null ? `with status ${code}` : `by ${signal}`;
    const missing = this.#others.some((line) => /No module named '?rayferry/.test(line));
    if (missing) return new SidecarError("MISSING_PACKAGE", `Python can't import rayferry: ${this.#others.at(-1)}`);
    const known = code === null ? undefined : ENDS[code];
    if (known !== undefined) return new SidecarError(...known);
    const words = this.#others.length === 0 ? "" : ` Its last words:\n${this.#others.join("\n")}`;
    return new SidecarError(code === 0 ? "STOPPED" : "DIED", `The sidecar ended ${how}.${words}`);
  }

  #take(line: string): void {
    const said = parse(line);
    if (said === null) {
      if (line.trim() === "") return;
      this.#others.push(line);
      if (this.#others.length > LAST_WORDS) this.#others.shift();
      // What a task prints comes as "(name pid=123) text" from Ray; the rest is Ray's own.
      this.#logger[/^\(.*pid=\d+.*\)/.test(line) ? "info" : "debug"]({ component: "ray" }, line);
      return;
    }
    const { level, msg, time: _time, traceback, ...fields } = said;
    // In the message: as a field it would be one line full of \n.
    const text =
      typeof traceback === "string" && traceback !== "" ? `${msg}\n${traceback.trimEnd()}` : String(msg ?? "");
    if (level === "fatal") this.#fatal = { code: String(fields["code"] ?? "DIED"), msg: text };
    const log = { component: "sidecar", ...fields };
    if (level === "fatal" || level === "debug") this.#logger.debug(log, text);
    else if (level === "error") this.#logger.error(log, text);
    else if (level === "warn") this.#logger.warn(log, text);
    else this.#logger.info(log, text);
  }
}

function parse(line: string): Record<string, unknown> | null {
  const value = parseObject(line);
  return value !== null && "level" in value && "msg" in value ? value : null;
}

function parseEvent(line: string): Record<string, unknown> | null {
  const value = parseObject(line);
  return value !== null && "event" in value ? value : null;
}

function parseObject(line: string): Record<string, unknown> | null {
  if (!line.startsWith("{")) return null;
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
