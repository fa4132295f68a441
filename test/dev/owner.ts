/** A process to be killed: `owner.ts postgres DATA_DIR` or `owner.ts group|child|forgotten|closed`. Prints JSON, then waits. */
import { spawn } from "node:child_process";
import { startGuardian } from "../../src/dev/guardian.ts";
import { startPostgres } from "../../src/dev/postgres.ts";

const [what, dataDir = ""] = process.argv.slice(2);
const guardian = startGuardian();
if (what === "postgres") {
  const { url, pid } = await startPostgres({ dataDir, persistent: false, guardian });
  console.log(JSON.stringify({ url, pid, guardian: guardian.pid }));
} else {
  // The shell ignores SIGTERM and so does what it starts: only the guardian's SIGKILL of the group ends both.
  const script = what === "group" ? "trap '' TERM; sleep 300 & echo $!; wait" : "echo $$; exec sleep 300";
  const child = spawn("sh", ["-c", script], { detached: true, stdio: ["ignore", "pipe", "ignore"] });
  const { pid } = child;
  const [line] = await new Promise<string[]>((resolve) => {
    child.stdout.once("data", (chunk: Buffer) => resolve(chunk.toString().split("\n")));
  });
  if (pid !== undefined) {
    guardian.watch(what === "group" ? -pid : pid, "SIGTERM");
    if (what === "forgotten") guardian.forget(pid);
    if (what === "closed") await guardian.close();
  }
  console.log(JSON.stringify({ pid, grandchild: Number(line), guardian: guardian.pid }));
}
setInterval(() => {}, 1000);
