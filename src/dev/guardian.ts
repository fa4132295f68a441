/**
 * Ends what we started when we can't: a small process of its own, which holds one end of a pipe. Should we be killed by
 * SIGKILL or by the out-of-memory killer, the pipe ends, and it signals the processes it was told to watch.
 */
import { spawn } from "node:child_process";
import type { Socket } from "node:net";
import { fileURLToPath } from "node:url";

/** One line of JSON on the guardian's standard input. */
export type GuardianMessage =
  | { readonly type: "watch"; readonly pid: number; readonly signal: NodeJS.Signals }
  | { readonly type: "forget"; readonly pid: number }
  | { readonly type: "removeFolder"; readonly path: string }
  | { readonly type: "keepFolder"; readonly path: string }
  | { readonly type: "close" };

export interface Guardian {
  /** The guardian's own process. */
  readonly pid: number | undefined;
  /** When we die, send `signal` to this process, and SIGKILL 5 s later. A negative number means a process group. */
  watch(pid: number, signal: NodeJS.Signals): void;
  /** It ended, or shall outlive us. */
  forget(pid: number): void;
  /** When we die, remove this folder once all watched processes have ended. */
  removeFolder(path: string): void;
  /** Takes removeFolder() back. */
  keepFolder(path: string): void;
  /** Sends the guardian home without any signal to anybody. */
  close(): Promise<void>;
}

export function startGuardian(): Guardian {
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const script = fileURLToPath(new URL(`./guardian-main.${extension}`, import.meta.url));
  const child = spawn(process.execPath, [script], {
    // Out of our process group: Ctrl-C in a terminal, or a kill of the group, must not reach it.
    detached: true,
    cwd: "/",
    // Options such as --inspect are meant for us alone.
    env: { ...process.env, NODE_OPTIONS: "" },
    stdio: ["pipe", "ignore", "ignore"],
  });
  const exited = new Promise<void>((resolve) => {
    child.once("exit", () => resolve());
    child.once("error", () => resolve());
  });
  // A guardian that is gone guards nothing, which is no reason to take us down.
  child.stdin.on("error", () => {});
  child.unref();
  (child.stdin as Socket).unref();

  const send = (message: GuardianMessage) => {
    child.stdin.write(`${JSON.stringify(message)}\n`);
  };
  return {
    pid: child.pid,
    watch: (pid, signal) => send({ type: "watch", pid, signal }),
    forget: (pid) => send({ type: "forget", pid }),
    removeFolder: (path) => send({ type: "removeFolder", path }),
    keepFolder: (path) => send({ type: "keepFolder", path }),
    close: async () => {
      child.ref();
      child.stdin.end(`${JSON.stringify({ type: "close" } satisfies GuardianMessage)}\n`);
      await exited;
    },
  };
}
