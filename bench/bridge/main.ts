/**
 * `make bench-bridge`: the link alone, Node -> server -> Node, with a runner that ends each attempt at once, beside an echo of zeromq.js and pyzmq with the
 * same batching in the same run. Counts each protocol message that crosses: submit, accepted, result, recorded.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { EchoDriver } from "./echo.ts";
import { Host, type Kind } from "./host.ts";
import { LinkDriver } from "./link.ts";
import { ratio, type Spread, show, spread } from "./spread.ts";

const ROUNDS = Number(process.env["RAYFERRY_BENCH_ROUNDS"] ?? 5);
/** Submits in a frame; two such frames are under way at a time. */
const BATCHES = [1, 10, 100, 1_000] as const;
const MILLISECONDS = 1_000;
const PINGS = 2_000;
const KINDS = ["echo", "link", "bytes"] as const;
const NAMES = { echo: "echo, decoded and encoded", link: "the link", bytes: "echo of bytes" };

interface Driver {
  flood(window: number, milliseconds: number): Promise<number>;
  pingPong(count: number): Promise<number[]>;
  close(): void | Promise<void>;
}

async function open(kind: Kind, endpoint: string): Promise<Driver> {
  if (kind !== "link") return new EchoDriver(endpoint, kind === "echo");
  const driver = new LinkDriver(endpoint);
  await driver.open();
  return driver;
}

/** What one process of this kind reaches: microseconds for one message there and back, messages a second for each batch, and who was busy in the last. */
async function measure(kind: Kind): Promise<number[]> {
  const host = await Host.start(kind);
  const driver = await open(kind, host.endpoint);
  await driver.pingPong(PINGS / 4);
  const figures = [spread(await driver.pingPong(PINGS)).median];
  for (const batch of BATCHES) {
    await driver.flood(2 * batch, MILLISECONDS / 4);
    const before = { at: performance.now(), server: host.computed, worker: process.cpuUsage() };
    const messages = await driver.flood(2 * batch, MILLISECONDS);
    const milliseconds = performance.now() - before.at;
    figures.push(messages / (milliseconds / 1_000));
    if (batch !== BATCHES.at(-1)) continue;
    const { user, system } = process.cpuUsage(before.worker);
    figures.push((100 * (host.computed - before.server)) / milliseconds, (user + system) / 10 / milliseconds);
  }
  await driver.close();
  await host.stop();
  return figures;
}

const found: Record<Kind, number[][]> = { echo: [], link: [], bytes: [] };
for (let round = 0; round < ROUNDS; round += 1) for (const kind of KINDS) found[kind].push(await measure(kind));

const ROWS = [
  "one at a time, round trip, us",
  ...BATCHES.map((batch) => `batches of ${batch}, messages/s`),
  "  of a core: the server, %",
  "  of a core: the worker, %",
];
const report = ROWS.map((row, index) => {
  const of = (kind: Kind) => found[kind].map((figures) => figures[index] ?? Number.NaN);
  const spreads = Object.fromEntries(KINDS.map((kind) => [kind, spread(of(kind))])) as Record<Kind, Spread>;
  return { row, ...spreads, linkToEcho: ratio(of("link"), of("echo")) };
});

console.log(`\nmedians of ${ROUNDS} (min to max); ${cpus().length} cores, load ${loadavg()[0]?.toFixed(1)}`);
console.log(["".padEnd(31), ...KINDS.map((kind) => NAMES[kind].padEnd(37)), "link to echo"].join(""));
for (const { row, linkToEcho, ...spreads } of report)
  console.log([row.padEnd(31), ...KINDS.map((kind) => show(spreads[kind]).padEnd(37)), linkToEcho.toFixed(2)].join(""));
mkdirSync("bench/results", { recursive: true });
writeFileSync("bench/results/bridge.json", `${JSON.stringify({ rounds: ROUNDS, report }, null, 2)}\n`);
