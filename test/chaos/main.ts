/** `make test-chaos SEED=n` and `make soak MINUTES=n`: one run, its report, and status 1 where the checker found something. With --keep history and logs are kept in any case. */
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { runChaos } from "./run.ts";

/** Of a run without --minutes. */
const MINUTES = 5;

const { values } = parseArgs({
  options: { seed: { type: "string" }, minutes: { type: "string" }, keep: { type: "boolean" } },
});
const seed = numberOf("seed", values.seed, Date.now() % 1_000_000);
const minutes = numberOf("minutes", values.minutes, MINUTES);
const keepIn = join(tmpdir(), `rayferry-chaos-${seed}-${process.pid}`);
console.log(`chaos: seed ${seed}, ${minutes} minutes of faults`);
const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop.abort());
const say = (line: string) => console.log(line);
const keeps = values.keep === true ? "always" : "findings";
const result = await runChaos({ seed, seconds: minutes * 60, say, keepIn, keeps, signal: stop.signal });
console.log(result.report);
process.exit(result.findings.length === 0 ? 0 : 1);

function numberOf(name: string, given: string | undefined, otherwise: number): number {
  const number = given === undefined || given === "" ? otherwise : Number(given);
  if (Number.isFinite(number) && number > 0) return number;
  console.error(`--${name} must be a number above 0, not ${given}.`);
  process.exit(2);
}
