-- rayferry: breaks older builds
CREATE SCHEMA "rayferry";
--> statement-breakpoint
CREATE TYPE "rayferry"."task_state" AS ENUM('QUEUED', 'RUNNING', 'CANCELLING', 'SUCCEEDED', 'FAILED', 'CANCELLED', 'EXPIRED', 'LOST');--> statement-breakpoint
CREATE TYPE "rayferry"."worker_state" AS ENUM('STARTING', 'READY', 'DRAINING', 'STOPPED', 'LOST');--> statement-breakpoint
CREATE SEQUENCE "rayferry"."fence" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1;--> statement-breakpoint
CREATE TABLE "rayferry"."ray_task_attempt_ended" (
	"execution_id" uuid NOT NULL,
	"fence" bigint NOT NULL,
	"attempt" integer NOT NULL,
	"outcome" text NOT NULL,
	"worker" text,
	"error" jsonb,
	"ray_task_id" text,
	"ray_node_id" text,
	"ray_worker_id" text,
	"pid" integer,
	"claimed_at" timestamp with time zone,
	"started_at" timestamp with time zone,
	"finished_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "rayferry"."ray_task_execution" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"seq" bigint GENERATED ALWAYS AS IDENTITY (sequence name "rayferry"."ray_task_execution_seq_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"task" text NOT NULL,
	"queue" text DEFAULT 'default' NOT NULL,
	"state" "rayferry"."task_state" DEFAULT 'QUEUED' NOT NULL,
	"priority" smallint DEFAULT 0 NOT NULL,
	"run_at" timestamp with time zone DEFAULT now() NOT NULL,
	"ready" boolean DEFAULT true NOT NULL,
	"attempt" integer DEFAULT 0 NOT NULL,
	"max_attempts" integer DEFAULT 1 NOT NULL,
	"infrastructure_losses" integer DEFAULT 0 NOT NULL,
	"fence" bigint,
	"holder" uuid,
	"server" uuid,
	"input" jsonb DEFAULT '{}'::jsonb,
	"input_bytes" "bytea",
	"input_content_type" text DEFAULT 'application/json' NOT NULL,
	"result" jsonb,
	"result_bytes" "bytea",
	"result_content_type" text,
	"error" jsonb,
	"options" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"timeout_seconds" double precision,
	"expires_at" timestamp with time zone,
	"parent_id" uuid,
	"rerun_of" uuid,
	"unique_key" text,
	"concurrency_key" text,
	"blocked_by" uuid[],
	"tags" text[] DEFAULT '{}'::text[] NOT NULL,
	"metadata" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"trace_parent" text,
	"wait_reason" text,
	"unknown_since" timestamp with time zone,
	"cancel_requested_at" timestamp with time zone,
	"cancel_reason" text,
	"last_fence" bigint,
	"worker" text,
	"ray_task_id" text,
	"ray_node_id" text,
	"ray_worker_id" text,
	"pid" integer,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"claimed_at" timestamp with time zone,
	"started_at" timestamp with time zone,
	"finished_at" timestamp with time zone,
	CONSTRAINT "held_has_fence" CHECK ((state in ('RUNNING', 'CANCELLING')) = (fence is not null)),
	CONSTRAINT "held_has_holder" CHECK ((fence is null) = (holder is null) and (fence is null) = (server is null)),
	CONSTRAINT "held_was_claimed" CHECK (fence is null or (claimed_at is not null and worker is not null)),
	CONSTRAINT "terminal_has_end" CHECK ((state in ('SUCCEEDED', 'FAILED', 'CANCELLED', 'EXPIRED', 'LOST')) = (finished_at is not null)),
	CONSTRAINT "cancelling_was_asked" CHECK (state <> 'CANCELLING' or cancel_requested_at is not null),
	CONSTRAINT "failed_has_error" CHECK (state not in ('FAILED', 'LOST') or error is not null),
	CONSTRAINT "succeeded_has_no_error" CHECK (state <> 'SUCCEEDED' or error is null),
	CONSTRAINT "result_only_of_success" CHECK (state = 'SUCCEEDED' or (result is null and result_bytes is null)),
	CONSTRAINT "result_one_form" CHECK (num_nonnulls(result, result_bytes) <= 1),
	CONSTRAINT "result_has_type" CHECK (state <> 'SUCCEEDED' or result_content_type is not null),
	CONSTRAINT "input_one_form" CHECK (num_nonnulls(input, input_bytes) = 1),
	CONSTRAINT "attempt_within_bounds" CHECK (attempt >= 0 and max_attempts >= 1 and infrastructure_losses >= 0),
	CONSTRAINT "timeout_positive" CHECK (timeout_seconds > 0),
	CONSTRAINT "error_is_object" CHECK (error is null or jsonb_typeof(error) = 'object')
);
--> statement-breakpoint
CREATE TABLE "rayferry"."task_definition" (
	"name" text PRIMARY KEY NOT NULL,
	"module" text NOT NULL,
	"kind" text NOT NULL,
	"queue" text NOT NULL,
	"num_cpus" double precision NOT NULL,
	"doc" text,
	"parameters" jsonb NOT NULL,
	"registered_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "rayferry"."task_sidecar" (
	"id" uuid PRIMARY KEY NOT NULL,
	"holder" uuid NOT NULL,
	"epoch" text NOT NULL,
	"endpoint" text NOT NULL,
	"build" text NOT NULL,
	"pid" integer NOT NULL,
	"actor_name" text,
	"namespace" text,
	"generation" text,
	"ray_address" text,
	"ray_version" text,
	"nodes" integer,
	"cpus" double precision,
	"gpus" double precision,
	"started_at" timestamp with time zone DEFAULT now() NOT NULL,
	"authority_until" timestamp with time zone NOT NULL,
	"ended_at" timestamp with time zone,
	"emptied_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "rayferry"."task_worker_lease" (
	"id" uuid PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"host" text NOT NULL,
	"pid" integer NOT NULL,
	"version" text NOT NULL,
	"queues" text[] NOT NULL,
	"tasks" text[] DEFAULT '{}'::text[] NOT NULL,
	"slots" integer,
	"running" integer DEFAULT 0 NOT NULL,
	"state" "rayferry"."worker_state" DEFAULT 'STARTING' NOT NULL,
	"last_error" text,
	"started_at" timestamp with time zone DEFAULT now() NOT NULL,
	"heartbeat_at" timestamp with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	"stopped_at" timestamp with time zone
);
--> statement-breakpoint
ALTER TABLE "rayferry"."ray_task_attempt_ended" ADD CONSTRAINT "ray_task_attempt_ended_execution_id_ray_task_execution_id_fk" FOREIGN KEY ("execution_id") REFERENCES "rayferry"."ray_task_execution"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "rayferry"."task_sidecar" ADD CONSTRAINT "task_sidecar_holder_task_worker_lease_id_fk" FOREIGN KEY ("holder") REFERENCES "rayferry"."task_worker_lease"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "ray_task_attempt_ended_key" ON "rayferry"."ray_task_attempt_ended" USING btree ("execution_id","fence");--> statement-breakpoint
CREATE UNIQUE INDEX "ray_task_execution_seq" ON "rayferry"."ray_task_execution" USING btree ("seq");--> statement-breakpoint
CREATE INDEX "ray_task_execution_claim" ON "rayferry"."ray_task_execution" USING btree ("queue","priority" DESC NULLS FIRST,"run_at","seq") WHERE state = 'QUEUED' and ready;--> statement-breakpoint
CREATE INDEX "ray_task_execution_due" ON "rayferry"."ray_task_execution" USING btree ("run_at") WHERE state = 'QUEUED' and not ready;--> statement-breakpoint
CREATE INDEX "ray_task_execution_held" ON "rayferry"."ray_task_execution" USING btree ("holder") WHERE holder is not null;--> statement-breakpoint
CREATE INDEX "task_worker_lease_name" ON "rayferry"."task_worker_lease" USING btree ("name");--> statement-breakpoint
CREATE VIEW "rayferry"."ray_task_attempt" AS (select execution_id, fence, attempt, outcome, worker, error, ray_task_id, ray_node_id, ray_worker_id, pid, claimed_at, started_at, finished_at
      from "rayferry"."ray_task_attempt_ended"
      union all
      select e.id, e.last_fence, e.attempt, e.state::text, e.worker, e.error, e.ray_task_id, e.ray_node_id, e.ray_worker_id, e.pid, e.claimed_at, e.started_at, e.finished_at
      from "rayferry"."ray_task_execution" e
      where e.last_fence is not null
        and not exists (select from "rayferry"."ray_task_attempt_ended" a where a.execution_id = e.id and a.fence = e.last_fence));