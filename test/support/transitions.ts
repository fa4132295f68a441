/** Every change of an execution's row, written down by a trigger of the tests', and judged by what design.md allows. */
import type postgres from "postgres";
import { expect } from "vitest";

interface Row {
  readonly id: string;
  readonly state: string;
  readonly attempt: number;
  readonly max_attempts: number | null;
  readonly infrastructure_losses: number;
  readonly fence: number | null;
  readonly holder: string | null;
  readonly retry: { readonly losses?: number } | null;
  readonly expires_at: string | null;
  readonly started_at: string | null;
  readonly cancel_requested_at: string | null;
}

export interface Transition {
  readonly before: Row | null;
  readonly after: Row;
  /** How the attempt that `before` held is on record among the earlier ones; null where it isn't. */
  readonly recorded: string | null;
}

/** States that may follow each other. The same state: an adoption, a note, a promotion. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  "": ["QUEUED"],
  QUEUED: ["QUEUED", "RUNNING", "CANCELLED", "EXPIRED"],
  RUNNING: ["RUNNING", "CANCELLING", "QUEUED", "SUCCEEDED", "FAILED", "LOST", "EXPIRED"],
  CANCELLING: ["CANCELLING", "CANCELLED", "SUCCEEDED", "FAILED"],
  SUCCEEDED: [],
  // By a manual retry.
  FAILED: ["QUEUED"],
  CANCELLED: ["QUEUED"],
  EXPIRED: ["QUEUED"],
  LOST: ["QUEUED"],
};
const USED_A_TRY = ["FAILED", "TIMED_OUT"];

/** From now on every change is written down. */
export async function watchTransitions(sql: postgres.Sql): Promise<void> {
  await sql.unsafe(`
    create table public.transition (n bigint generated always as identity, before jsonb, after jsonb);
    create function public.note_transition() returns trigger language plpgsql as $$ begin
      insert into public.transition (before, after) values (case when tg_op = 'UPDATE' then to_jsonb(old) end, to_jsonb(new)); return null; end $$;
    create trigger note_transition after insert or update on rayferry.ray_task_execution for each row execute function public.note_transition()`);
}

/** In their order, and forgets them. */
export async function takeTransitions(sql: postgres.Sql): Promise<Transition[]> {
  const rows = await sql<(Transition & postgres.Row)[]>`
    select t.before, t.after, (select outcome from rayferry.ray_task_attempt_ended a
      where a.execution_id = (t.after->>'id')::uuid and a.fence = (t.before->>'fence')::bigint) as recorded
    from public.transition t order by n`;
  await sql`truncate public.transition`;
  return rows;
}

/** Fails by the first rule that a history breaks. */
export function judgeTransitions(transitions: readonly Transition[]): void {
  const lastFence = new Map<string, number>();
  const begun = new Set<string>();
  for (const transition of transitions) {
    const { before, after } = transition;
    const said = `${before?.state ?? "nothing"} -> ${after.state} (recorded ${transition.recorded})`;
    expect(ALLOWED[before?.state ?? ""], said).toContain(after.state);
    if (after.max_attempts !== null) expect(after.attempt, `attempt, ${said}`).toBeLessThanOrEqual(after.max_attempts);
    judgeFence(transition, lastFence, said);
    if (before !== null) judgeCounters({ ...transition, before }, said);
    if (after.started_at !== null) begun.add(after.id);
    if (begun.has(after.id) && after.state === "QUEUED") expect(after.expires_at, `deadline, ${said}`).toBeNull();
    if (after.state === "EXPIRED") expect(begun.has(after.id), `it had begun, ${said}`).toBe(false);
    if (after.state === "CANCELLED") expect(after.cancel_requested_at, said).not.toBeNull();
  }
}

/** A fence is new at each claim, and kept by everything else that keeps the attempt. */
function judgeFence({ before, after }: Transition, lastFence: Map<string, number>, said: string): void {
  if (after.fence === null) return;
  if (before?.state === "QUEUED") {
    expect(after.fence, `fence, ${said}`).toBeGreaterThan(lastFence.get(after.id) ?? 0);
    lastFence.set(after.id, after.fence);
  } else {
    expect(after.fence, `fence, ${said}`).toBe(before?.fence);
  }
}

/** design.md, Words: attempt = tries that count, the current one included; losses are counted apart; releases and snoozes in neither. */
function judgeCounters({ before, after, recorded }: Transition & { readonly before: Row }, said: string): void {
  const tries = after.attempt - before.attempt;
  const losses = after.infrastructure_losses - before.infrastructure_losses;
  const isHeld = before.fence !== null;
  if (before.state === "QUEUED") {
    expect(tries, `tries, ${said}`).toBe(after.state === "RUNNING" ? 1 : 0);
    expect(losses, `losses, ${said}`).toBe(0);
  } else if (!isHeld) {
    // A manual retry: at least one more try, and a fresh budget.
    expect(tries, `tries, ${said}`).toBe(0);
    expect(after.infrastructure_losses).toBe(0);
    expect(after.max_attempts).toBe(Math.max(before.max_attempts ?? 1, after.attempt + 1));
  } else if (after.state === "QUEUED") {
    expect(tries, `tries, ${said}`).toBe(USED_A_TRY.includes(recorded ?? "") ? 0 : -1);
    expect(losses, `losses, ${said}`).toBe(recorded === "LOST" ? 1 : 0);
    expect(after.infrastructure_losses).toBeLessThanOrEqual(after.retry?.losses ?? 10);
  } else if (after.fence !== null) {
    expect([tries, losses], `counts, ${said}`).toEqual([0, 0]);
  } else {
    // Handed back, it was no attempt; a death counts among the losses also where it was the last.
    const canBe = { SUCCEEDED: [[0], [0]], LOST: [[0], [1]], EXPIRED: [[-1], [0]] }[after.state] ?? [
      [0, -1],
      [0, 1],
    ];
    expect(canBe[0], `tries, ${said}`).toContain(tries);
    expect(canBe[1], `losses, ${said}`).toContain(losses);
    if (after.state === "LOST") expect(after.infrastructure_losses).toBeGreaterThan(after.retry?.losses ?? 10);
  }
}
