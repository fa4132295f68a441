/** `node bench/bridge-memory/main.ts`: what worker and server take in memory, in flight and while the other side doesn't listen. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Actor } from "./actor.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const HERE = join(ROOT, "bench", "bridge-memory");
const MIB = 1024 * 1024;
/** 10,000 results of 100 KB, or 65,536 pieces of log of 16 KB. */
const GIGABYTE = { results: 10_000, bytes: 100_000, pieces: 65_536 };

interface Pair {
  readonly server: Actor;
  readonly worker: Actor;
}

const figures: Record<string, number> = {};

function note(what: string, value: number, unit: string): void {
  figures[what] = value;
  console.log(`${what.padEnd(92)} ${value.toLocaleString("en", { maximumFractionDigits: 1 }).padStart(8)} ${unit}`);
}

async function withPair(use: (pair: Pair) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "rm-"));
  const endpoint = `ipc://${join(folder, "s")}`;
  const python = join(ROOT, ".venv", "bin", "python");
  const server = new Actor(python, [join(HERE, "flood_server.py"), endpoint], { PYTHONPATH: join(ROOT, "python") });
  await server.said("serving");
  const worker = new Actor(process.execPath, ["--expose-gc", join(HERE, "worker.ts"), endpoint]);
  await worker.said("open");
  try {
    await use({ server, worker });
  } finally {
    await worker.end();
    await server.end();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Resident bytes once they have stopped to change. */
async function settled(actor: Actor): Promise<number> {
  let before = Number.NaN;
  for (let now = actor.memory().now; now !== before; now = actor.memory().now) {
    before = now;
    await delay(500);
  }
  return before;
}

async function inFlight(count: number): Promise<void> {
  await withPair(async ({ server, worker }) => {
    await worker.do("collect");
    const before = { server: await settled(server), worker: await settled(worker) };
    await worker.do(`submit ${count}`);
    await worker.do("collect");
    const kilobytes = (bytes: number) => bytes / 1_000 / count;
    const named = `${count.toLocaleString("en")} in flight`;
    note(`server, for each of ${named} (target 10)`, kilobytes((await settled(server)) - before.server), "KB");
    note(`worker, for each of ${named} (target 3)`, kilobytes((await settled(worker)) - before.worker), "KB");
  });
}

async function resultsOfAGigabyte(how: "stopped" | "holding"): Promise<void> {
  await withPair(async ({ server, worker }) => {
    await worker.do(`submit ${GIGABYTE.results}`);
    const before = { server: server.memory().now, worker: worker.memory().now };
    if (how === "stopped") worker.signal("SIGSTOP");
    else await worker.do("hold 0");
    await server.do(`end ${GIGABYTE.bytes}`);
    const grown = { server: (await settled(server)) - before.server, worker: (await settled(worker)) - before.worker };
    const what = how === "stopped" ? "the worker is stopped" : "the worker completes none";
    note(`server, 1 GB of results while ${what}: more than before`, grown.server / MIB, "MiB");
    note(`server, the same at its peak`, (server.memory().peak - before.server) / MIB, "MiB");
    if (how === "holding") {
      note("worker, the same", grown.worker / MIB, "MiB");
      return;
    }
    worker.signal("SIGCONT");
    await worker.do(`record ${GIGABYTE.results}`);
    note(
      "worker, when it goes on and takes them all, at its peak",
      (worker.memory().peak - before.worker) / MIB,
      "MiB",
    );
    note("server, when all are recorded: more than before", ((await settled(server)) - before.server) / MIB, "MiB");
  });
}

async function logsOfAGigabyte(): Promise<void> {
  await withPair(async ({ server, worker }) => {
    await worker.do("submit 1");
    const before = server.memory().now;
    worker.signal("SIGSTOP");
    await server.do(`log ${GIGABYTE.pieces}`);
    note("server, 1 GB of logs while the worker is stopped, at its peak", (server.memory().peak - before) / MIB, "MiB");
  });
}

await inFlight(10_000);
await inFlight(50_000);
await resultsOfAGigabyte("stopped");
await resultsOfAGigabyte("holding");
await logsOfAGigabyte();
mkdirSync("bench/results", { recursive: true });
writeFileSync("bench/results/bridge-memory.json", `${JSON.stringify(figures, null, 2)}\n`);
