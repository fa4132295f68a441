/** Workers that do at random to executions whatever a worker, a user or a death can do to them: by the real verbs and the real decisions. */
import type postgres from "postgres";
import { expect } from "vitest";
import type { ServerMessageOf } from "../../bridge/src/index.ts";
import { adopt, requeueMissing } from "../../src/store/adopt.ts";
import { cancel } from "../../src/store/cancel.ts";
import type { Store } from "../../src/store/connection.ts";
import { noteAttempts } from "../../src/store/execution-lease.ts";
import { expire } from "../../src/store/expire.ts";
import { promote } from "../../src/store/promote.ts";
import { release } from "../../src/store/release.ts";
import { rescue } from "../../src/store/rescue.ts";
import { retry } from "../../src/store/retry.ts";
import { toEnded } from "../../src/worker/ended.ts";
import { type HeldAttempt, HeldAttempts } from "../../src/worker/held.ts";
import { writeBack } from "../../src/worker/write-back.ts";
import { noted } from "./noted.ts";
import { claimAs, completion, readRow, type Seat, seedQueued, seedWorker, taskError } from "./seed.ts";
import { silent } from "./silent.ts";
import { PLAIN_TERMS } from "./terms.ts";

type Result = ServerMessageOf<"result">;

export type Step =
  | { readonly do: "enqueue"; readonly maxAttempts: number; readonly losses: number; readonly deadline: boolean }
  | { readonly do: "claim"; readonly seat: number }
  | { readonly do: "begin"; readonly pick: number }
  | {
      readonly do: "end";
      readonly pick: number;
      readonly how: Pick<Result, "outcome" | "again">;
      readonly code: string;
      readonly knows: boolean;
    }
  /** The end of an attempt that is another's by now, or nobody's. */
  | { readonly do: "late"; readonly pick: number; readonly outcome: Result["outcome"] }
  | { readonly do: "release"; readonly pick: number }
  | { readonly do: "cancel"; readonly pick: number; readonly byHand: boolean }
  /** A worker dies, and another has what it held: all of it, or only half, for the rest never reached its server. */
  | { readonly do: "adopt"; readonly seat: number; readonly half: boolean }
  /** A worker dies with its server. */
  | { readonly do: "rescue"; readonly seat: number }
  | { readonly do: "promote" }
  | { readonly do: "expire" }
  | { readonly do: "retry"; readonly pick: number };

interface Holding {
  readonly seat: Seat;
  readonly attempt: HeldAttempt;
}

export class Machine {
  readonly #store: Store;
  readonly #sql: postgres.Sql;
  /** A connection whose statements are no verbs. */
  readonly #byHand: postgres.Sql;
  readonly #seats: Seat[];
  readonly #held = new HeldAttempts();
  readonly #by = new Map<string, Seat>();
  readonly #past: { readonly holder: string; readonly id: string; readonly fence: number }[] = [];
  readonly ids: string[] = [];

  private constructor(store: Store, sql: postgres.Sql, byHand: postgres.Sql, seats: Seat[]) {
    this.#store = store;
    this.#sql = sql;
    this.#byHand = byHand;
    this.#seats = seats;
  }

  static async open(store: Store, sql: postgres.Sql, byHand: postgres.Sql): Promise<Machine> {
    return new Machine(store, sql, byHand, [await seedWorker(store), await seedWorker(store)]);
  }

  async take(step: Step): Promise<void> {
    switch (step.do) {
      case "enqueue": {
        const { maxAttempts, losses, deadline } = step;
        const retried = { losses, jitter: false, backoff: { kind: "fixed", seconds: 60 } } as const;
        const queueTimeoutSeconds = deadline ? 600 : null;
        this.ids.push(...(await seedQueued(this.#store, 1, { maxAttempts, retry: retried, queueTimeoutSeconds })));
        return;
      }
      case "claim":
        return await this.#claim(this.#seatOf(step.seat));
      case "begin":
        return await this.#with(step.pick, async ({ seat, attempt }) => {
          await noteAttempts(this.#store, seat.holder, [noted(attempt)]);
          attempt.leased = true;
        });
      case "end":
        return await this.#with(step.pick, (holding) => this.#end(holding, step.how, step.code, step.knows));
      case "late":
        return await this.#late(step.pick, step.outcome);
      case "release":
        return await this.#with(step.pick, async ({ seat, attempt }) => {
          const { id, fence, leased } = attempt;
          // What has begun isn't handed back.
          if (leased) return;
          this.#drop({ seat, attempt });
          await release(this.#store, seat.holder, [{ id, fence, reason: "", delaySeconds: 1, unknownTask: false }]);
        });
      case "cancel":
        return await this.#cancel(step.pick, step.byHand);
      case "adopt":
        return await this.#adopt(step.seat, step.half);
      case "rescue":
        return await this.#rescue(step.seat);
      case "promote":
        await this.#sql`update rayferry.ray_task_execution set run_at = now() where state = 'QUEUED' and not ready`;
        await promote(this.#store);
        return;
      case "expire":
        await this
          .#sql`update rayferry.ray_task_execution set expires_at = now() where expires_at is not null and state = 'QUEUED'`;
        await expire(this.#store);
        return;
      case "retry": {
        const id = this.ids[step.pick % this.ids.length];
        if (id !== undefined) await retry(this.#store, id);
      }
    }
  }

  /** Until all have ended. */
  async finish(): Promise<void> {
    for (const { attempt } of this.#holdings()) await this.take(success(this.#indexOf(attempt)));
    for (let round = 0; round < 3; round += 1) {
      await this.take({ do: "promote" });
      for (const seat of this.#seats) await this.#claim(seat);
      for (const { attempt } of this.#holdings()) await this.take(success(this.#indexOf(attempt)));
    }
  }

  async #claim(seat: Seat): Promise<void> {
    for (const { id, fence, task, terms } of await claimAs(this.#store, seat, 2)) {
      this.#held.add(id, fence, task, terms);
      this.#by.set(id, seat);
    }
  }

  async #end(holding: Holding, how: Pick<Result, "outcome" | "again">, code: string, knows: boolean): Promise<void> {
    const { seat, attempt } = holding;
    const { state } = await readRow(this.#sql, attempt.id);
    // It may not have heard of a cancel, but never hears of one that nobody asked for.
    attempt.cancelling = knows && state === "CANCELLING";
    const ended = toEnded(toResult(attempt, how, code), performance.now(), attempt);
    expect(await writeBack(this.#store, seat.holder, [ended], silent)).toEqual(new Set([attempt.id]));
    this.#drop(holding);
  }

  async #late(pick: number, outcome: Result["outcome"]): Promise<void> {
    const late = this.#past[pick % this.#past.length];
    if (late === undefined) return;
    const before = await readRow(this.#sql, late.id);
    const result = toResult(late, { outcome, again: null }, "TaskError");
    // As whoever held it last knew it, and as one who holds it still.
    const once = new HeldAttempts().add(late.id, late.fence, "t.run", PLAIN_TERMS);
    for (const attempt of [once, this.#held.find(late.id, late.fence) ?? once]) {
      const accepted = await writeBack(this.#store, late.holder, [toEnded(result, 0, attempt)], silent);
      expect(accepted).toEqual(new Set());
    }
    expect(await readRow(this.#sql, late.id)).toEqual(before);
  }

  async #cancel(pick: number, byHand: boolean): Promise<void> {
    const id = this.ids[pick % this.ids.length];
    if (id === undefined) return;
    if (!byHand) await cancel(this.#store, id, null);
    else
      await this.#byHand`update rayferry.ray_task_execution set state = 'CANCELLED'
        where id = ${id} and state in ('QUEUED', 'RUNNING', 'CANCELLING')`;
  }

  async #adopt(index: number, half: boolean): Promise<void> {
    const dead = await this.#kill(index);
    const next = { ...(await seedWorker(this.#store)), worker: dead.worker };
    const left = this.#holdings().filter(({ seat }) => seat.holder === dead.holder);
    // Its own server, and those whose work it had adopted itself.
    for (const server of new Set(left.map(({ seat }) => seat.server))) {
      const at = left.filter(({ seat }) => seat.server === server);
      const there = at.filter((_each, n) => !half || n % 2 === 0).map(({ attempt }) => attempt);
      const rows = await adopt(this.#store, { holder: next.holder, worker: next.worker, server, inventory: there });
      expect(rows.map(({ verdict }) => verdict)).toEqual(there.map(() => "ADOPTED"));
      await requeueMissing(this.#store, server, [dead.holder], there);
      for (const holding of at) this.#drop(holding);
      for (const { id, fence, task, terms } of rows) {
        if (terms === null) continue;
        this.#held.add(id, fence, task ?? "", terms, true);
        this.#by.set(id, { ...next, server });
      }
    }
    this.#seats[index % this.#seats.length] = next;
  }

  async #rescue(index: number): Promise<void> {
    const dead = await this.#kill(index);
    // Whatever it held, at whichever server: adopted work is at its old one.
    await this.#sql`update rayferry.task_sidecar set ended_at = now() - interval '10 seconds' where id = ${dead.server}
      or id in (select server from rayferry.ray_task_execution where holder = ${dead.holder})`;
    await rescue(this.#store);
    // What others held at those servers is gone with them.
    for (const holding of this.#holdings()) {
      const row = await readRow(this.#sql, holding.attempt.id);
      if (Number(row["fence"]) !== holding.attempt.fence) this.#drop(holding);
    }
    this.#seats[index % this.#seats.length] = await seedWorker(this.#store);
  }

  async #kill(index: number): Promise<Seat> {
    const dead = this.#seatOf(index);
    await this.#sql`update rayferry.task_worker_lease set state = 'LOST' where id = ${dead.holder}`;
    return dead;
  }

  async #with(pick: number, act: (holding: Holding) => Promise<void>): Promise<void> {
    const holdings = this.#holdings();
    const holding = holdings[pick % holdings.length];
    if (holding !== undefined) await act(holding);
  }

  #drop({ seat, attempt }: Holding): void {
    this.#held.drop(attempt.id, attempt.fence);
    this.#past.push({ holder: seat.holder, id: attempt.id, fence: attempt.fence });
  }

  #holdings(): Holding[] {
    return this.#held.all().flatMap((attempt) => {
      const seat = this.#by.get(attempt.id);
      return seat === undefined ? [] : [{ seat, attempt }];
    });
  }

  #indexOf(attempt: HeldAttempt): number {
    return this.#holdings().findIndex((each) => each.attempt === attempt);
  }

  #seatOf(index: number): Seat {
    return this.#seats[index % this.#seats.length] ?? expect.fail("There is no seat.");
  }
}

const success = (pick: number): Step => ({
  ...{ do: "end", pick, code: "", knows: true },
  how: { outcome: "SUCCEEDED", again: null },
});

function toResult(
  { id, fence }: { readonly id: string; readonly fence: number },
  { outcome, again }: Pick<Result, "outcome" | "again">,
  code: string,
): Result {
  const { contentType, value } = completion({ id, fence });
  const isValue = outcome === "SUCCEEDED";
  return {
    ...{ type: "result", execution: id, fence, outcome, again },
    content_type: isValue ? contentType : null,
    value: isValue ? value : null,
    error: isValue ? null : taskError({ code: outcome === "TIMED_OUT" ? "Timeout" : code }),
    run: { ray_task_id: "r1", node_id: "n1", worker_id: "w1", pid: 7, run_seconds: 2, age_seconds: 0 },
  };
}
