ALTER TABLE "rayferry"."ray_task_execution" ADD COLUMN "usage" jsonb;--> statement-breakpoint
CREATE INDEX IF NOT EXISTS "ray_task_execution_parent" ON "rayferry"."ray_task_execution" USING btree ("parent_id","seq") WHERE parent_id is not null;--> statement-breakpoint
CREATE TABLE "rayferry"."ray_task_log" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "rayferry"."ray_task_log_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"execution_id" uuid NOT NULL,
	"fence" bigint NOT NULL,
	"attempt" integer NOT NULL,
	"at" timestamp with time zone DEFAULT now() NOT NULL,
	"level" text NOT NULL,
	"source" text NOT NULL,
	"text" text NOT NULL,
	"dropped" integer DEFAULT 0 NOT NULL
);
--> statement-breakpoint
CREATE TABLE "rayferry"."ray_task_stream_item" (
	"execution_id" uuid NOT NULL,
	"fence" bigint NOT NULL,
	"index" integer NOT NULL,
	"content_type" text NOT NULL,
	"value" jsonb,
	"value_bytes" "bytea",
	"at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "ray_task_stream_item_execution_id_fence_index_pk" PRIMARY KEY("execution_id","fence","index")
);
--> statement-breakpoint
ALTER TABLE "rayferry"."ray_task_log" ADD CONSTRAINT "ray_task_log_execution_id_ray_task_execution_id_fk" FOREIGN KEY ("execution_id") REFERENCES "rayferry"."ray_task_execution"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "rayferry"."ray_task_stream_item" ADD CONSTRAINT "ray_task_stream_item_execution_id_ray_task_execution_id_fk" FOREIGN KEY ("execution_id") REFERENCES "rayferry"."ray_task_execution"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "ray_task_log_execution" ON "rayferry"."ray_task_log" USING btree ("execution_id","id");--> statement-breakpoint
CREATE TABLE "rayferry"."task_runtime_env" (
	"name" text PRIMARY KEY NOT NULL,
	"env" jsonb NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
DROP VIEW "rayferry"."ray_task_attempt";--> statement-breakpoint
ALTER TABLE "rayferry"."ray_task_attempt_ended" ADD COLUMN "usage" jsonb;--> statement-breakpoint
ALTER TABLE "rayferry"."execution_lease" ADD COLUMN "wait_reason" text;--> statement-breakpoint
ALTER TABLE "rayferry"."task_definition" ADD COLUMN "options" jsonb DEFAULT '{}'::jsonb NOT NULL;--> statement-breakpoint
ALTER TABLE "rayferry"."task_definition" ADD COLUMN "actor" jsonb;--> statement-breakpoint
ALTER TABLE "rayferry"."task_definition" ADD COLUMN "generation" text;--> statement-breakpoint
CREATE VIEW "rayferry"."ray_task_attempt" AS (select execution_id, fence, attempt, outcome, worker, error, ray_task_id, ray_node_id, ray_worker_id, pid, usage, claimed_at, started_at, finished_at
      from "rayferry"."ray_task_attempt_ended"
      union all
      select e.id, e.last_fence, e.attempt, case when e.state = 'FAILED' and e.error->>'code' = 'Timeout' then 'TIMED_OUT' else e.state::text end, e.worker, e.error, e.ray_task_id, e.ray_node_id, e.ray_worker_id, e.pid, e.usage, e.claimed_at, e.started_at, e.finished_at
      from "rayferry"."ray_task_execution" e
      where e.last_fence is not null
        and not exists (select from "rayferry"."ray_task_attempt_ended" a where a.execution_id = e.id and a.fence = e.last_fence));