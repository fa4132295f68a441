/**
 * Opens the session with a server that somebody else starts. It may not be there yet, and has one worker at a time:
 *
 *   nothing answers ──────────────► wait for it
 *   another worker has it ────────► stand by; its incarnation is dead: take its place, in time to adopt its work
 *   it ends, or is lost meanwhile ► again
 *   it never will have this worker (keys, version, database; not a server at all) ► the error
 */
import { setTimeout as sleep } from "node:timers/promises";
import {
  BridgeError,
  BridgeRefusedError,
  type BridgeRefusedReason,
  BridgeSecurityError,
  type RayferryError,
} from "../errors.ts";
import type { Logger } from "../logger.ts";
import type { Store } from "../store/connection.ts";
import { readServerHolder } from "../store/server.ts";

/**
 * Milliseconds between looks at the lease of the worker that has the server. The server stops its work 8 s after the last renewal, and a lease ends
 * after 6 s: a second is left to take over in.
 */
const LOOK = 250;
/** Milliseconds from one try at a server to the next. */
const AGAIN = 500;
/** ... at one whose worker isn't known to this database. */
const AGAIN_AT_STRANGERS = 5_000;
/** Milliseconds without an answer until it is said, and until it is said again. */
const SAY_AFTER = 1_000;
const SAY_AGAIN = 60_000;
const FOR_GOOD: readonly BridgeRefusedReason[] = ["PROTOCOL_MISMATCH", "WRONG_DATABASE", "NOT_A_SERVER"];

/** Trying again won't help: somebody has to change something. */
export function isHopeless(error: unknown): error is RayferryError {
  if (error instanceof BridgeRefusedError) return FOR_GOOD.includes(error.reason);
  return error instanceof BridgeSecurityError;
}

export interface PatienceOptions<T> {
  readonly endpoint: string;
  readonly store: Store;
  readonly logger: Logger;
  /** One try; `dead` are incarnations that are known to be dead. */
  readonly open: (dead: readonly string[]) => Promise<T>;
  /** Throws when this worker is to wait no longer. */
  readonly checkGoing: () => void;
  /** What it waits for, in words. */
  readonly onWait: (why: string) => void;
}

/** @throws BridgeRefusedError, BridgeSecurityError when it never will be. */
export async function openPatiently<T>(options: PatienceOptions<T>): Promise<T> {
  const { open, checkGoing } = options;
  let dead: readonly string[] = [];
  for (;;) {
    checkGoing();
    const silence = sayWhileSilent(options);
    try {
      return await open(dead);
    } catch (error) {
      silence.stop();
      checkGoing();
      if (!(error instanceof BridgeError) || isHopeless(error)) throw error;
      dead = await untilWorthAnotherTry(error, options);
    } finally {
      silence.stop();
    }
  }
}

/** Answers who is known to be dead. */
async function untilWorthAnotherTry<T>(error: BridgeError, options: PatienceOptions<T>): Promise<readonly string[]> {
  if (error instanceof BridgeRefusedError && error.reason === "SESSION_TAKEN" && error.epoch !== null)
    return await standBy(error.epoch, error.message, options);
  say(options, `${error.message} Trying again.`);
  await sleep(AGAIN);
  return [];
}

/** Until the worker that has the server is dead. */
async function standBy<T>(epoch: string, refusal: string, options: PatienceOptions<T>): Promise<readonly string[]> {
  const { store, checkGoing } = options;
  let said = "";
  for (;;) {
    await sleep(LOOK);
    checkGoing();
    const holder = await readServerHolder(store, epoch);
    if (holder === null) {
      say(options, `${refusal} It isn't known to this database. Trying again.`);
      await waitFor(AGAIN_AT_STRANGERS, checkGoing);
      return [];
    }
    if (!holder.alive) return [holder.id];
    if (said !== holder.id) {
      said = holder.id;
      const who = `worker ${holder.name} on host ${holder.host} (pid ${holder.pid})`;
      say(options, `The server has its worker: ${who}. Standing by, to take its place when it is gone.`);
    }
  }
}

async function waitFor(milliseconds: number, checkGoing: () => void): Promise<void> {
  const until = performance.now() + milliseconds;
  while (performance.now() < until) {
    await sleep(LOOK);
    checkGoing();
  }
}

type Saying = Pick<PatienceOptions<never>, "endpoint" | "logger" | "onWait">;

function say({ endpoint, logger, onWait }: Saying, why: string): void {
  logger.warn({ server: endpoint }, why);
  onWait(why);
}

function sayWhileSilent(options: Saying): { stop(): void } {
  const { endpoint } = options;
  const tell = (): void =>
    say(options, `No server has answered at ${endpoint} yet; waiting for it. Is it started, and is this its address?`);
  let again: NodeJS.Timeout | null = null;
  const first = setTimeout(() => {
    tell();
    again = setInterval(tell, SAY_AGAIN);
  }, SAY_AFTER);
  return {
    stop: () => {
      clearTimeout(first);
      if (again !== null) clearInterval(again);
    },
  };
}
