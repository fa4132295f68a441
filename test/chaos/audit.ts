import type postgres from "postgres";
import type { Change, FinalAttempt, FinalRow, Incarnation, LeaseNote, PauseNote, ServerEnd } from "./history.ts";

/**
 * Notes every change of an execution's row in a table of the run's own, in the transaction that makes it. The product doesn't know of it: what it tells doesn't
 * come from the code that it is to judge.
 */
export async function installAudit(sql: postgres.Sql): Promise<void> {
  await sql.unsafe(`
    create schema chaos;
    create table chaos.change (
      n bigint generated always as identity primary key, xid xid8 not null default pg_current_xact_id(), begun timestamptz not null default now(),
      id uuid not null, before text, after text not null, before_fence bigint, before_holder uuid, fence bigint, holder uuid,
      queue text not null, priority int not null, run_at timestamptz not null, seq bigint not null, ready boolean not null,
      writer text not null default current_setting('application_name')
    );
    create function chaos.note() returns trigger language plpgsql as $$
    begin
      if tg_op = 'INSERT' then
        insert into chaos.change (id, after, fence, holder, queue, priority, run_at, seq, ready)
          values (new.id, new.state, new.fence, new.holder, new.queue, new.priority, new.run_at, new.seq, new.ready);
      elsif (old.state, old.fence, old.holder, old.queue, old.priority, old.run_at, old.ready)
          is distinct from (new.state, new.fence, new.holder, new.queue, new.priority, new.run_at, new.ready)
          -- A second end looks like the first one, but for when it was.
          or (new.finished_at is not null and (old.finished_at, old.result, old.error) is distinct from (new.finished_at, new.result, new.error)) then
        insert into chaos.change (id, before, after, before_fence, before_holder, fence, holder, queue, priority, run_at, seq, ready)
          values (new.id, old.state, new.state, old.fence, old.holder, new.fence, new.holder, new.queue, new.priority, new.run_at, new.seq, new.ready);
      end if;
      return null;
    end $$;
    create trigger chaos_note after insert or update on rayferry.ray_task_execution for each row execute function chaos.note();
    ${RIGHTS}`);
}

/** What a claim's statement asks: the lease of its worker, its server, and whether a queue is paused. */
const RIGHTS = `
    create table chaos.lease (
      n bigint generated always as identity primary key, xid xid8 not null default pg_current_xact_id(), begun timestamptz not null default now(),
      id uuid not null, state text not null, expires_at timestamptz not null, server uuid
    );
    create table chaos.server_end (n bigint generated always as identity primary key, begun timestamptz not null default now(), id uuid not null);
    create table chaos.pause (
      n bigint generated always as identity primary key, xid xid8 not null default pg_current_xact_id(), begun timestamptz not null default now(),
      queue text not null, is_paused boolean not null
    );
    create function chaos.note_lease() returns trigger language plpgsql as $$
    begin
      insert into chaos.lease (id, state, expires_at, server) values (new.id, new.state, new.expires_at, new.server);
      return null;
    end $$;
    create function chaos.note_server() returns trigger language plpgsql as $$
    begin
      if new.ended_at is not null and old.ended_at is null then insert into chaos.server_end (id) values (new.id); end if;
      return null;
    end $$;
    create function chaos.note_pause() returns trigger language plpgsql as $$
    begin
      insert into chaos.pause (queue, is_paused) values (new.name, new.paused_at is not null);
      return null;
    end $$;
    create trigger chaos_note after insert or update on rayferry.task_worker_lease for each row execute function chaos.note_lease();
    create trigger chaos_note after update on rayferry.task_sidecar for each row execute function chaos.note_server();
    create trigger chaos_note after insert or update on rayferry.task_queue for each row execute function chaos.note_pause();`;

export interface Tables {
  readonly rows: readonly FinalRow[];
  readonly attempts: readonly FinalAttempt[];
  readonly changes: readonly Change[];
  readonly incarnations: readonly Incarnation[];
  readonly leases: readonly LeaseNote[];
  readonly serverEnds: readonly ServerEnd[];
  readonly pauses: readonly PauseNote[];
}

/** What the tables and the notes say now. */
export async function readTables(sql: postgres.Sql): Promise<Tables> {
  const read = async <Row>(text: string) => [...((await sql.unsafe(text)) as unknown as Row[])];
  const leases = await sql`select * from rayferry.task_worker_lease`;
  const incarnations = leases.map((row) => ({
    id: String(row["id"]),
    name: String(row["name"]),
    state: String(row["state"]),
    refused: Number(row["refused"] ?? 0),
  }));
  return {
    rows: await read<FinalRow>(READ_ROWS),
    attempts: await read<FinalAttempt>(READ_ATTEMPTS),
    changes: await read<Change>(READ_CHANGES),
    incarnations,
    leases: await read<LeaseNote>(READ_LEASES),
    serverEnds: await read<ServerEnd>(READ_SERVER_ENDS),
    pauses: await read<PauseNote>(READ_PAUSES),
  };
}

/** Milliseconds, as a number. */
const ms = (instant: string) => `(extract(epoch from ${instant}) * 1000)::float8`;

/** Where Postgres doesn't keep the instants of commits, the begin has to do. */
const COMMITTED = `coalesce(case when current_setting('track_commit_timestamp') = 'on' then ${ms("pg_xact_commit_timestamp(xid::xid)")} end, ${ms("begun")})`;

const READ_LEASES = `
  select id::text as id, ${ms("begun")} as begun, ${COMMITTED} as committed, state, ${ms("expires_at")} as "expiresAt", server::text as server
  from chaos.lease order by n`;

const READ_SERVER_ENDS = `select id::text as id, ${ms("begun")} as begun from chaos.server_end order by n`;

const READ_PAUSES = `
  select queue, ${ms("begun")} as begun, ${COMMITTED} as committed, is_paused as "isPaused" from chaos.pause order by n`;

const READ_CHANGES = `
  select id::text as id, before, after, before_fence::float8 as "beforeFence", before_holder::text as "beforeHolder",
    fence::float8 as fence, holder::text as holder, queue, priority, ready, seq::float8 as seq, writer,
    (extract(epoch from run_at) * 1000000)::float8 as "runAt", ${ms("begun")} as begun,
    ${COMMITTED} as committed
  from chaos.change order by n`;

const READ_ROWS = `
  select id::text as id, state::text as state, attempt, coalesce(max_attempts, 1) as "maxAttempts", infrastructure_losses as "infrastructureLosses", rerun_of::text as "rerunOf",
    last_fence::float8 as "lastFence", result->>'life' as "resultLife", error->>'code' as "errorCode", error->>'message' as "errorMessage",
    ${ms("started_at")} as "startedAt", ${ms("finished_at")} as "finishedAt"
  from rayferry.ray_task_execution`;

const READ_ATTEMPTS = `
  select execution_id::text as id, fence::float8 as fence, attempt, outcome::text as outcome,
    ${ms("started_at")} as "startedAt", ${ms("finished_at")} as "finishedAt"
  from rayferry.ray_task_attempt order by execution_id, fence`;
