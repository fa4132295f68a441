import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const PYTHON = join(ROOT, ".venv", "bin", "python");

export type Kind = "link" | "echo" | "bytes";

/** noop_server.py in a process of its own. */
export class Host {
  readonly endpoint: string;
  readonly #folder = mkdtempSync(join(tmpdir(), "rb-"));
  readonly #child: ChildProcess;

  private constructor(kind: Kind) {
    this.endpoint = `ipc://${join(this.#folder, "s")}`;
    this.#child = spawn(PYTHON, [join(ROOT, "bench", "bridge", "noop_server.py"), this.endpoint, kind], {
      env: { ...process.env, PYTHONPATH: join(ROOT, "python") },
      stdio: ["ignore", "inherit", "pipe"],
    });
  }

  static async start(kind: Kind): Promise<Host> {
    const host = new Host(kind);
    const { stderr } = host.#child;
    if (stderr === null) throw new Error("The server has no stderr.");
    for await (const chunk of stderr.iterator({ destroyOnReturn: false }))
      if (String(chunk).includes("Serving.")) break;
    stderr.pipe(process.stderr);
    return host;
  }

  /** Milliseconds that it has computed: all its threads, in hundredths of a second by the kernel's clock. */
  get computed(): number {
    const fields = readFileSync(`/proc/${this.#child.pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
    return (Number(fields[11]) + Number(fields[12])) * 10;
  }

  /** Kills it: a benchmark has nothing to save. */
  async stop(): Promise<void> {
    const exit = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await exit;
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
