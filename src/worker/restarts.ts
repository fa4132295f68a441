/** What follows an incarnation that broke, or that couldn't start: a wait, or the end of the worker. */
import { connect } from "node:net";
import { type RayferryError, SidecarError } from "../errors.ts";

/** Milliseconds; the first wait after a failure that follows another, doubled each time. */
const FIRST_BACKOFF = 500;
const LAST_BACKOFF = 30_000;
/** Milliseconds after which an incarnation counts as stable: what breaks it then is a new trouble. */
export const STABLE = 60_000;
/** Deaths of a sidecar soon after its start, within the window, that make a loop. */
export const CRASHES = 5;
const WINDOW = 600_000;
/** Ends that something else brought about: Ray's head or a node that is away, Postgres, or this worker. The sidecar's own code is fine. */
const NOT_ITS_OWN = new Set([
  "RAY_UNREACHABLE",
  "RAY_DIED",
  "AUTHORITY_EXPIRED",
  "LEASE_LOST",
  "SERVER_ENDED",
  "SILENT",
  "STOPPED",
  "WRONG_SERVER",
  "UNKNOWN_NODE",
]);
/** Milliseconds for a Ray head to accept a connection. */
const PROBE = 1_000;

export class Restarts {
  readonly #rayAddress: string | null;
  readonly #clock: () => number;
  #failures = 0;
  #crashes: number[] = [];

  /** `rayAddress` null: no cluster whose absence could explain a death. */
  constructor(rayAddress: string | null, clock: () => number = () => performance.now()) {
    this.#rayAddress = rayAddress;
    this.#clock = clock;
  }

  /** Somebody changed something: what was before counts no more. */
  forget(): void {
    this.#failures = 0;
    this.#crashes = [];
  }

  /**
   * Milliseconds until the next incarnation, after one that ended `ran` milliseconds after its start: none after a stable one, then with backoff.
   *
   * @throws SidecarError when its sidecars die again and again.
   */
  async after(error: unknown, ran: number): Promise<number> {
    if (await this.#isCrash(error, ran)) this.#countCrash(error as RayferryError);
    if (ran >= STABLE) this.#failures = 0;
    this.#failures += 1;
    return this.#failures === 1 ? 0 : Math.min(FIRST_BACKOFF * 2 ** (this.#failures - 2), LAST_BACKOFF);
  }

  async #isCrash(error: unknown, ran: number): Promise<boolean> {
    if (!(error instanceof SidecarError) || NOT_ITS_OWN.has(error.reason) || ran >= STABLE) return false;
    if (this.#rayAddress === null) return true;
    // A node's Ray may be up later than its head, and a head that goes ends sidecars in ways of Ray's own.
    return error.reason !== "RAY_START_FAILED" && (await answers(this.#rayAddress));
  }

  #countCrash(error: RayferryError): void {
    const now = this.#clock();
    this.#crashes = [...this.#crashes.filter((at) => now - at < WINDOW), now];
    if (this.#crashes.length < CRASHES) return;
    throw new SidecarError(
      "CRASH_LOOP",
      `The sidecar died ${CRASHES} times within ${WINDOW / 60_000} minutes, each time within ${STABLE / 1000} s of its start: giving up. The last time: ${error.message}`,
      { cause: error },
    );
  }
}

/** Whether something accepts connections there. */
function answers(address: string): Promise<boolean> {
  const [, host, port] = /^(?:ray:\/\/)?(.*):(\d+)$/.exec(address) ?? [];
  return new Promise((resolve) => {
    const socket = connect(Number(port), host);
    socket.setTimeout(PROBE, () => socket.destroy());
    socket.once("connect", () => {
      resolve(true);
      socket.destroy();
    });
    socket.on("error", () => {});
    socket.once("close", () => resolve(false));
  });
}
