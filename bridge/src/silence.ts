/** What a server's silence means, as far as this side can know. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/**
 * How far a connection gets. `connected`: libzmq's pings are answered, by a thread that runs whatever Python does. `mute`: the transport connects, and then
 * nobody speaks. `refused`: nobody listens there. `unanswered`: neither yes nor no.
 */
export type Reach = "connected" | "mute" | "refused" | "unanswered";

export function explainSilence(reach: Reach, endpoint: string, pid: number | null): string {
  const named = pid === null ? "" : ` (pid ${pid})`;
  switch (reach) {
    case "connected":
      return `it is connected and ZeroMQ's pings are answered, so its loop is stuck${named}. Its log says in what.`;
    case "refused":
      return pid === null ? "nobody listens there." : `nobody listens there any more: its process${named} has ended.`;
    case "unanswered":
      return "its machine doesn't answer. See whether that lives, and whether the network lets this connection pass.";
    case "mute":
      return pid !== null && isStopped(endpoint, pid)
        ? `its process${named} is stopped, by SIGSTOP or a debugger. Continue it with kill -CONT ${pid}, or end it.`
        : `connections are taken, but nothing answers, not even ZeroMQ's pings: its process${named} is stopped, or nothing passes on the way.`;
  }
}

/** Whether the process that listens on an ipc endpoint is this one, and stopped. Knows on Linux; elsewhere false. */
function isStopped(endpoint: string, pid: number): boolean {
  try {
    const state = /\) (\S)/.exec(readFileSync(`/proc/${pid}/stat`, "utf8"))?.[1];
    // The pid is the server's own word: behind a relay it is a process of another machine.
    return (state === "T" || state === "t") && listens(endpoint, pid);
  } catch {
    return false;
  }
}

function listens(endpoint: string, pid: number): boolean {
  const path = endpoint.replace("ipc://", "");
  const inodes = readFileSync("/proc/net/unix", "utf8")
    .split("\n")
    .filter((line) => line.endsWith(` ${path}`))
    .map((line) => `socket:[${line.split(/\s+/)[6]}]`);
  return readdirSync(`/proc/${pid}/fd`).some((descriptor) => {
    try {
      return inodes.includes(readlinkSync(`/proc/${pid}/fd/${descriptor}`));
    } catch {
      return false;
    }
  });
}
