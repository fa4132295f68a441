-- rayferry: breaks older builds
CREATE TYPE "rayferry"."attempt_phase" AS ENUM('SUBMITTED', 'PENDING', 'RUNNING');--> statement-breakpoint
CREATE TABLE "rayferry"."execution_lease" (
	"execution_id" uuid PRIMARY KEY NOT NULL,
	"fence" bigint NOT NULL,
	"holder" uuid NOT NULL,
	"server" uuid NOT NULL,
	"phase" "rayferry"."attempt_phase" NOT NULL,
	"ray_task_id" text,
	"ray_node_id" text,
	"ray_worker_id" text,
	"pid" integer,
	"progress_current" double precision,
	"progress_total" double precision,
	"progress_message" text,
	"started_at" timestamp with time zone,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "rayferry"."task_queue" (
	"name" text PRIMARY KEY NOT NULL,
	"paused_at" timestamp with time zone,
	"pause_reason" text,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
DROP VIEW "rayferry"."ray_task_attempt";--> statement-breakpoint
ALTER TABLE "rayferry"."ray_task_execution" ALTER COLUMN "queue" SET DEFAULT '';--> statement-breakpoint
ALTER TABLE "rayferry"."ray_task_execution" ALTER COLUMN "max_attempts" DROP DEFAULT;--> statement-breakpoint
ALTER TABLE "rayferry"."ray_task_execution" ALTER COLUMN "max_attempts" DROP NOT NULL;--> statement-breakpoint
ALTER TABLE "rayferry"."ray_task_execution" ADD COLUMN "retry" jsonb;--> statement-breakpoint
ALTER TABLE "rayferry"."task_definition" ADD COLUMN "max_attempts" integer;--> statement-breakpoint
ALTER TABLE "rayferry"."task_definition" ADD COLUMN "retry" jsonb;--> statement-breakpoint
ALTER TABLE "rayferry"."task_definition" ADD COLUMN "timeout_seconds" double precision;--> statement-breakpoint
ALTER TABLE "rayferry"."task_definition" ADD COLUMN "queue_timeout_seconds" double precision;--> statement-breakpoint
ALTER TABLE "rayferry"."task_worker_lease" ADD COLUMN "submitted" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "rayferry"."task_worker_lease" ADD COLUMN "pending" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "rayferry"."task_worker_lease" ADD COLUMN "refused" bigint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "rayferry"."task_worker_lease" ADD COLUMN "leads" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "rayferry"."task_worker_lease" ADD COLUMN "drain_requested_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "rayferry"."task_worker_lease" ADD COLUMN "server" uuid;--> statement-breakpoint
ALTER TABLE "rayferry"."task_worker_lease" ADD COLUMN "sidecar_pid" integer;--> statement-breakpoint
ALTER TABLE "rayferry"."task_worker_lease" ADD COLUMN "accepting" boolean;--> statement-breakpoint
ALTER TABLE "rayferry"."task_worker_lease" ADD COLUMN "ray" jsonb;--> statement-breakpoint
ALTER TABLE "rayferry"."task_worker_lease" ADD COLUMN "last_error_at" timestamp with time zone;--> statement-breakpoint
CREATE INDEX "ray_task_execution_expiry" ON "rayferry"."ray_task_execution" USING btree ("expires_at") WHERE state = 'QUEUED' and expires_at is not null;--> statement-breakpoint
ALTER TABLE "rayferry"."ray_task_execution" ADD CONSTRAINT "queue_has_name" CHECK (queue <> '');--> statement-breakpoint
ALTER TABLE "rayferry"."ray_task_execution" ADD CONSTRAINT "retry_is_object" CHECK (retry is null or jsonb_typeof(retry) = 'object');--> statement-breakpoint
CREATE VIEW "rayferry"."ray_task_attempt" AS (select execution_id, fence, attempt, outcome, worker, error, ray_task_id, ray_node_id, ray_worker_id, pid, claimed_at, started_at, finished_at
      from "rayferry"."ray_task_attempt_ended"
      union all
      select e.id, e.last_fence, e.attempt, case when e.state = 'FAILED' and e.error->>'code' = 'Timeout' then 'TIMED_OUT' else e.state::text end, e.worker, e.error, e.ray_task_id, e.ray_node_id, e.ray_worker_id, e.pid, e.claimed_at, e.started_at, e.finished_at
      from "rayferry"."ray_task_execution" e
      where e.last_fence is not null
        and not exists (select from "rayferry"."ray_task_attempt_ended" a where a.execution_id = e.id and a.fence = e.last_fence));--> statement-breakpoint
ALTER TABLE "rayferry"."execution_lease" SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);--> statement-breakpoint
CREATE FUNCTION "rayferry"."check_queue_name"(queue text) RETURNS void LANGUAGE plpgsql AS $function$
begin
  if queue !~ '^[A-Za-z0-9_.:-]{1,100}$' then
    raise exception 'No worker can take from a queue named "%".', left(queue, 100) using errcode = 'RF003',
      hint = 'A queue''s name is 1 to 100 of the characters A-Z a-z 0-9 _ . : -';
  end if;
end
$function$;--> statement-breakpoint
CREATE FUNCTION "rayferry"."fill_execution"() RETURNS trigger LANGUAGE plpgsql AS $function$
declare
  definition "rayferry"."task_definition";
begin
  if new.state <> 'QUEUED' then
    raise exception 'An execution begins as QUEUED, not as %.', new.state using errcode = 'RF001',
      hint = 'Leave the column "state" out; a worker takes the execution from there.';
  end if;
  select * into definition from "rayferry"."task_definition" where name = new.task;
  new.queue := coalesce(nullif(new.queue, ''), definition.queue, 'default');
  perform "rayferry"."check_queue_name"(new.queue);
  new.ready := new.run_at <= now();
  if definition.name is not null then
    new.retry := nullif(coalesce(definition.retry, '{}') || coalesce(new.retry, '{}'), '{}');
    new.max_attempts := coalesce(new.max_attempts, definition.max_attempts, 1);
    new.timeout_seconds := coalesce(new.timeout_seconds, definition.timeout_seconds);
    new.expires_at := coalesce(new.expires_at, greatest(new.run_at, now()) + make_interval(secs => definition.queue_timeout_seconds));
  elsif new.max_attempts is not null then
    new.retry := coalesce(new.retry, '{}') || '{"unsettled": true}';
  end if;
  perform pg_notify(tg_table_schema || '_enqueued', case when new.ready then new.queue else '' end);
  return new;
end
$function$;--> statement-breakpoint
CREATE FUNCTION "rayferry"."guard_execution"() RETURNS trigger LANGUAGE plpgsql AS $function$
declare
  is_live boolean := old.finished_at is null;
  to_cancel boolean := new.state in ('CANCELLED', 'CANCELLING');
  given "rayferry"."ray_task_execution" := new;
  message text;
  hint text;
begin
  if new.state is distinct from old.state and to_cancel and is_live then
    -- An ORM writes every column, as it read them some time ago: of those only what no worker writes counts.
    new := old;
    new.tags := given.tags;
    new.metadata := given.metadata;
    new.cancel_requested_at := coalesce(old.cancel_requested_at, now());
    new.cancel_reason := coalesce(old.cancel_reason, given.cancel_reason);
    new.wait_reason := null;
    if old.state = 'QUEUED' then
      new.state := 'CANCELLED';
      new.finished_at := now();
      perform pg_notify(tg_table_schema || '_finished', new.id::text);
    else
      new.state := 'CANCELLING';
      perform pg_notify(tg_table_schema || '_cancel', new.holder::text);
    end if;
    return new;
  end if;
  if new.state is distinct from old.state then
    message := format('Execution %s is %s and doesn''t become %s by hand: ', old.id, old.state, new.state) || case
      when to_cancel then 'it has ended, and nothing is left to cancel.'
      when new.state = 'QUEUED' and old.state in ('FAILED', 'CANCELLED', 'EXPIRED', 'LOST') then 'what became of it has to go on record first.'
      when not is_live then 'it has ended, and its end stands.'
      when new.state = 'QUEUED' then 'a worker has it.'
      when new.state = 'RUNNING' and old.state = 'QUEUED' then 'a worker does that when it claims it.'
      else 'only a worker says how an execution goes on and ends.' end;
    hint := case
      when to_cancel then 'Leave out what has ended: "... where state in (''QUEUED'', ''RUNNING'')".'
      when old.state = 'SUCCEEDED' then format('To run the same again, as a new execution: "rayferry rerun %s", or backend.rerun(id).', old.id)
      when not is_live then format('To run it again: "rayferry retry %1$s", or backend.retry(id); as a new execution: "rayferry rerun %1$s", or backend.rerun(id).', old.id)
      when old.state = 'CANCELLING' then format('It is being stopped. To run it again when it is CANCELLED: "rayferry retry %s".', old.id)
      when new.state = 'QUEUED' then format('To run it again from the start: "rayferry cancel %s", and "rayferry retry" when it is CANCELLED.', old.id)
      when new.state = 'RUNNING' and old.state = 'QUEUED' then 'To have it claimed earlier, set "run_at" or "priority".'
      else format('To end it: set state = ''CANCELLED'', "rayferry cancel %s", or backend.cancel(id).', old.id) end;
    raise exception '%', message using errcode = 'RF002', hint = hint;
  end if;
  if row(new.id, new.fence, new.holder, new.server, new.last_fence) is distinct from row(old.id, old.fence, old.holder, old.server, old.last_fence) then
    raise exception 'The columns id, fence, holder, server and last_fence of execution % aren''t changed by hand: they say who may write for it.', old.id
      using errcode = 'RF002', hint = format('Leave them out. To take it from its worker: "rayferry cancel %s", or set state = ''CANCELLED''.', old.id);
  end if;
  if new.state = 'QUEUED' and (new.run_at, new.queue, new.priority, new.ready) is distinct from (old.run_at, old.queue, old.priority, old.ready) then
    perform "rayferry"."check_queue_name"(new.queue);
    new.ready := new.run_at <= now();
    -- A deadline counts from when it is due.
    if new.expires_at is not distinct from old.expires_at then
      new.expires_at := old.expires_at + (greatest(new.run_at, now()) - greatest(old.run_at, now()));
    end if;
    perform pg_notify(tg_table_schema || '_enqueued', case when new.ready then new.queue else '' end);
  end if;
  return new;
end
$function$;--> statement-breakpoint
CREATE FUNCTION "rayferry"."forget_execution"() RETURNS trigger LANGUAGE plpgsql AS $function$
begin
  delete from "rayferry"."execution_lease" where execution_id = old.id;
  perform pg_notify(tg_table_schema || '_cancel', old.holder::text);
  return null;
end
$function$;--> statement-breakpoint
CREATE TRIGGER "fill_execution" BEFORE INSERT ON "rayferry"."ray_task_execution" FOR EACH ROW
  WHEN (current_setting('rayferry.verb', true) IS DISTINCT FROM 'on') EXECUTE FUNCTION "rayferry"."fill_execution"();--> statement-breakpoint
CREATE TRIGGER "guard_execution" BEFORE UPDATE ON "rayferry"."ray_task_execution" FOR EACH ROW
  WHEN (current_setting('rayferry.verb', true) IS DISTINCT FROM 'on') EXECUTE FUNCTION "rayferry"."guard_execution"();--> statement-breakpoint
CREATE TRIGGER "forget_execution" AFTER DELETE ON "rayferry"."ray_task_execution" FOR EACH ROW
  WHEN (old.holder IS NOT NULL) EXECUTE FUNCTION "rayferry"."forget_execution"();
