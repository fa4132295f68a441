import type { InventoryEntry, ServerMessage, WorkerMessage } from "../../bridge/src/index.ts";
import type { Logger } from "../logger.ts";
import type { AdoptionRow } from "../store/adopt.ts";
import type { AttemptKey } from "../store/beat.ts";
import type { Store } from "../store/connection.ts";
import { readDeleted } from "../store/deleted.ts";
import { CancelRelay } from "./cancel-relay.ts";
import { Completer } from "./completer.ts";
import { HandBacks, withdrawUnstarted } from "./hand-back.ts";
import { type HeldAttempt, HeldAttempts } from "./held.ts";
import { Notes } from "./notes.ts";
import { Reconciler } from "./reconciler.ts";

/** Milliseconds for what has come to reach Postgres: results and hand-backs. */
const FLUSH = 3_000;

/** Milliseconds from the start of something that has a deadline to its note; what begins meanwhile goes along, and what ends costs nothing. */
const NOTE_START = 250;

export interface ServerAttemptsOptions {
  readonly store: Store;
  readonly holder: string;
  /** The server's row. */
  readonly server: string;
  readonly send: (message: WorkerMessage) => void;
  /** What the server holds now. */
  readonly inventory: () => Promise<readonly InventoryEntry[]>;
  /** While held, the server stands still: Postgres is slower than results come. */
  readonly hold: (isHeld: boolean) => void;
  /** Seconds from a cancel's interrupt to its kill. */
  readonly graceSeconds: number;
  readonly logger: Logger;
  /** Slots are free again. */
  readonly onRoom: () => void;
  readonly onError: (error: unknown) => void;
}

/** What this incarnation holds at one server: its results go to Postgres, cancels go to the server. */
export class ServerAttempts {
  readonly server: string;
  readonly held = new HeldAttempts((attempt) => this.#withdraw(attempt));
  readonly cancels: CancelRelay;
  readonly #options: ServerAttemptsOptions;
  readonly #completer: Completer;
  readonly #handBacks: HandBacks;
  readonly #notes: Notes;
  readonly #reconciler: Reconciler;
  #noteSoon: NodeJS.Timeout | null = null;

  constructor(options: ServerAttemptsOptions) {
    this.#options = options;
    this.server = options.server;
    const { store, holder, server, logger, onError, send } = options;
    const shared = { store, holder, held: this.held, logger, onError };
    this.cancels = new CancelRelay({ held: this.held, send, graceSeconds: options.graceSeconds });
    this.#notes = new Notes(this.held, logger);
    this.#completer = new Completer({ ...shared, send, hold: options.hold, onRoom: options.onRoom });
    this.#handBacks = new HandBacks({ ...shared, onRoom: options.onRoom });
    this.#reconciler = new Reconciler({ ...shared, server, send, inventory: options.inventory });
  }

  start(): void {
    this.#completer.start();
    this.#handBacks.start();
  }

  /** Write-backs that lost to a newer fence or holder. */
  get refused(): number {
    return this.#completer.refused;
  }

  /** Asks for everything back that isn't known to have begun. */
  withdrawUnstarted(): void {
    withdrawUnstarted(this.held, this.#options.send);
  }

  /** Writes what has come, then ends. */
  async stop(): Promise<void> {
    this.held.forgetDeadlines();
    if (this.#noteSoon !== null) clearTimeout(this.#noteSoon);
    await Promise.all([this.#completer.flush(FLUSH), this.#handBacks.flush(FLUSH)]);
    await Promise.all([this.#completer.stop(), this.#handBacks.stop()]);
  }

  /** What the server says of attempts; false for what it says of itself. */
  take(message: ServerMessage): boolean {
    const { logger } = this.#options;
    switch (message.type) {
      case "result":
        this.#completer.add(message);
        return true;
      case "started":
        this.#notes.started(message);
        this.#noteStartSoon(message.execution, message.fence);
        return true;
      case "rejected":
        this.#handBacks.add(message);
        return true;
      case "log":
        logger[message.level === "debug" ? "debug" : "info"](
          { component: "task", execution: message.execution, level: message.level },
          message.text,
        );
        return true;
      case "progress":
        this.#notes.progress(message);
        logger.debug(
          { component: "task", execution: message.execution, current: message.current, total: message.total },
          message.message ?? "progress",
        );
        return true;
      case "accepted":
        this.#accept(message.execution, message.fence);
        return true;
      default:
        return false;
    }
  }

  /** The start of what has a deadline doesn't wait for the beat: were the attempt lost before, the deadline would stay, and could expire what has begun. */
  #noteStartSoon(id: string, fence: number): void {
    const deadline = this.held.find(id, fence)?.terms.expiresInSeconds ?? null;
    if (deadline === null || this.#noteSoon !== null) return;
    this.#noteSoon = setTimeout(() => {
      this.#noteSoon = null;
      void this.#writeNotes();
    }, NOTE_START);
  }

  async #writeNotes(): Promise<void> {
    const { store, holder, onError } = this.#options;
    try {
      await this.#notes.write(store, holder);
    } catch (error) {
      onError(error);
    }
  }

  #accept(id: string, fence: number): void {
    const held = this.held.find(id, fence);
    // A repeated submit is accepted again, begun or not.
    if (held?.phase === "SUBMITTED") held.phase = "PENDING";
  }

  /** Takes over what Postgres has given to this holder, of the server's inventory; the server is told, and sends the results that it has. */
  adopt(rows: readonly AdoptionRow[], inventory: readonly InventoryEntry[]): void {
    const { send, holder } = this.#options;
    const mine = new Set(inventory.filter((each) => each.holder === holder).map(({ id, fence }) => `${id} ${fence}`));
    const adopted = rows.filter(({ verdict }) => verdict === "ADOPTED");
    const news = adopted.filter(({ id, fence }) => this.held.find(id, fence) === null || !mine.has(`${id} ${fence}`));
    const begun = new Set(
      inventory.filter(({ phase }) => phase !== "SUBMITTED").map(({ id, fence }) => `${id} ${fence}`),
    );
    for (const { id, fence, task, terms } of news) {
      if (this.held.find(id, fence) !== null || terms === null) continue;
      const attempt = this.held.add(id, fence, task ?? "", terms, true);
      attempt.phase = begun.has(`${id} ${fence}`) ? "RUNNING" : "PENDING";
    }
    const unknown = rows.filter(({ verdict }) => verdict === "UNKNOWN");
    if (news.length > 0) send({ type: "adopt", attempts: news.map(toKey) });
    if (unknown.length > 0) send({ type: "discard", attempts: unknown.map(toKey) });
    this.cancels.passOn(adopted.filter(({ cancelling }) => cancelling));
  }

  /** Of what was held before the server was asked for this inventory, gives up what isn't in it: its result will never come. */
  giveUpMissing(before: readonly HeldAttempt[], inventory: readonly InventoryEntry[]): void {
    const there = new Set(inventory.map(({ id, fence }) => `${id} ${fence}`));
    const message = "its server doesn't have it any more";
    for (const { id, fence } of before) {
      if (there.has(`${id} ${fence}`) || this.held.find(id, fence) === null) continue;
      this.#options.logger.warn({ execution: id, fence }, "an attempt is held that its server doesn't have");
      this.take({ type: "rejected", execution: id, fence, code: "UNKNOWN_EXECUTION", message });
    }
  }

  /** Stops what somebody deleted by hand while it was held: nobody will take its result. */
  async stopDeleted(): Promise<void> {
    const { store, logger, onError } = this.#options;
    const held = this.held.all().filter(({ cancelling }) => !cancelling);
    if (held.length === 0) return;
    try {
      const deleted = new Set(
        await readDeleted(
          store,
          held.map(({ id }) => id),
        ),
      );
      const gone = held.filter(({ id }) => deleted.has(id));
      if (gone.length > 0) logger.warn({ executions: gone.map(({ id }) => id) }, "stops what was deleted while it ran");
      this.cancels.passOn(gone);
    } catch (error) {
      // The next beat counts again.
      onError(error);
    }
  }

  /** With every beat: `rows` at this server name this holder, and these should have begun by now. */
  async afterBeat(rows: number, overdue: readonly AttemptKey[]): Promise<void> {
    for (const { id, fence } of overdue) {
      const attempt = this.held.find(id, fence);
      if (attempt !== null) this.#withdraw(attempt);
    }
    await this.#writeNotes();
    if (rows < this.held.size) await this.stopDeleted();
    await this.#reconciler.compare(rows);
  }

  /** Its deadline has passed: handed back, it is EXPIRED. If it begins first, it goes on. */
  #withdraw({ id, fence, started, cancelling }: HeldAttempt): void {
    if (!started && !cancelling) this.#options.send({ type: "withdraw", execution: id, fence });
  }
}

const toKey = ({ id, fence }: AdoptionRow) => [id, fence] as const;
