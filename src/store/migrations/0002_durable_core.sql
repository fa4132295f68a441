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
CREATE FUNCTION "rayferry"."fill_execution"() RETURNS trigger LANGUAGE plpgsql AS $function$
declare
  definition "rayferry"."task_definition";
begin
  if new.state <> 'QUEUED' then
    raise exception 'An execution begins as QUEUED, not as %.', new.state using errcode = 'RF001',
      hint = 'Leave the column state out; a worker takes the execution from there.';
  end if;
  select * into definition from "rayferry"."task_definition" where name = new.task;
  new.queue := coalesce(nullif(new.queue, ''), definition.queue, 'default');
  new.ready := new.run_at <= now();
  if found then
    new.retry := nullif(coalesce(definition.retry, '{}') || coalesce(new.retry, '{}'), '{}');
    new.max_attempts := coalesce(new.max_attempts, definition.max_attempts, 1);
    new.timeout_seconds := coalesce(new.timeout_seconds, definition.timeout_seconds);
    new.expires_at := coalesce(new.expires_at, greatest(new.run_at, now()) + make_interval(secs => definition.queue_timeout_seconds));
  end if;
  perform pg_notify(tg_table_schema || '_enqueued', case when new.ready then new.queue else '' end);
  return new;
end
$function$;--> statement-breakpoint
CREATE FUNCTION "rayferry"."guard_execution"() RETURNS trigger LANGUAGE plpgsql AS $function$
declare
  verb text;
begin
  if new.state is distinct from old.state and new.state in ('CANCELLED', 'CANCELLING') and old.state in ('QUEUED', 'RUNNING', 'CANCELLING') then
    new.fence := old.fence; new.holder := old.holder; new.server := old.server; new.attempt := old.attempt;
    new.cancel_requested_at := coalesce(new.cancel_requested_at, now());
    if old.state = 'QUEUED' then
      new.state := 'CANCELLED';
      new.finished_at := now();
      new.wait_reason := null;
      perform pg_notify(tg_table_schema || '_finished', new.id::text);
    else
      new.state := 'CANCELLING';
      new.finished_at := null;
      perform pg_notify(tg_table_schema || '_cancel', new.holder::text);
    end if;
    return new;
  end if;
  if new.state is distinct from old.state or row(new.fence, new.holder, new.server, new.last_fence) is distinct from row(old.fence, old.holder, old.server, old.last_fence) then
    verb := case
      when old.finished_at is not null and new.state = 'QUEUED' then 'retry: "rayferry retry ' || old.id || '", or backend.retry() in Node'
      when old.finished_at is not null then 'rerun: "rayferry rerun ' || old.id || '", or backend.rerun() in Node'
      else 'cancel: set state = ''CANCELLED'', "rayferry cancel ' || old.id || '", or backend.cancel() in Node' end;
    raise exception 'An execution that is % doesn''t become % by hand: how it goes on is recorded by the worker that has its fence.', old.state, new.state
      using errcode = 'RF002', hint = 'What can be done with it is ' || verb || '.';
  end if;
  if new.state = 'QUEUED' and (new.run_at, new.queue, new.priority) is distinct from (old.run_at, old.queue, old.priority) then
    new.ready := new.run_at <= now();
    perform pg_notify(tg_table_schema || '_enqueued', case when new.ready then new.queue else '' end);
  end if;
  return new;
end
$function$;--> statement-breakpoint
CREATE TRIGGER "fill_execution" BEFORE INSERT ON "rayferry"."ray_task_execution" FOR EACH ROW
  WHEN (current_setting('rayferry.verb', true) IS DISTINCT FROM 'on') EXECUTE FUNCTION "rayferry"."fill_execution"();--> statement-breakpoint
CREATE TRIGGER "guard_execution" BEFORE UPDATE ON "rayferry"."ray_task_execution" FOR EACH ROW
  WHEN (current_setting('rayferry.verb', true) IS DISTINCT FROM 'on') EXECUTE FUNCTION "rayferry"."guard_execution"();
