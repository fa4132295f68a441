CREATE TABLE "rayferry"."task_count" (
	"queue" text NOT NULL,
	"task" text NOT NULL,
	"state" "rayferry"."task_state" NOT NULL,
	"change" bigint NOT NULL
);
--> statement-breakpoint
CREATE INDEX "ray_task_execution_queued" ON "rayferry"."ray_task_execution" USING btree ("queue","task","seq") WHERE state = 'QUEUED';--> statement-breakpoint
CREATE INDEX "ray_task_execution_ended" ON "rayferry"."ray_task_execution" USING btree ("queue","task","state","seq") WHERE finished_at is not null;--> statement-breakpoint
INSERT INTO "rayferry"."task_count" ("queue", "task", "state", "change")
  SELECT queue, task, state, count(*) FROM "rayferry"."ray_task_execution" WHERE finished_at IS NOT NULL GROUP BY queue, task, state;--> statement-breakpoint
CREATE FUNCTION "rayferry"."count_changed"() RETURNS trigger LANGUAGE plpgsql AS $function$
begin
  insert into "rayferry"."task_count" (queue, task, state, change)
  select queue, task, state, sum(change) from (
    select queue, task, state, -1 as change from before where finished_at is not null
    union all
    select queue, task, state, 1 from after where finished_at is not null) c
  group by queue, task, state having sum(change) <> 0;
  return null;
end
$function$;--> statement-breakpoint
CREATE FUNCTION "rayferry"."count_deleted"() RETURNS trigger LANGUAGE plpgsql AS $function$
begin
  insert into "rayferry"."task_count" (queue, task, state, change)
  select queue, task, state, -count(*) from before where finished_at is not null group by queue, task, state;
  return null;
end
$function$;--> statement-breakpoint
CREATE FUNCTION "rayferry"."count_inserted"() RETURNS trigger LANGUAGE plpgsql AS $function$
begin
  insert into "rayferry"."task_count" (queue, task, state, change) values (new.queue, new.task, new.state, 1);
  return null;
end
$function$;--> statement-breakpoint
CREATE FUNCTION "rayferry"."count_truncated"() RETURNS trigger LANGUAGE plpgsql AS $function$
begin
  delete from "rayferry"."task_count";
  return null;
end
$function$;--> statement-breakpoint
CREATE TRIGGER "count_changed" AFTER UPDATE ON "rayferry"."ray_task_execution" REFERENCING OLD TABLE AS before NEW TABLE AS after
  FOR EACH STATEMENT EXECUTE FUNCTION "rayferry"."count_changed"();--> statement-breakpoint
CREATE TRIGGER "count_deleted" AFTER DELETE ON "rayferry"."ray_task_execution" REFERENCING OLD TABLE AS before
  FOR EACH STATEMENT EXECUTE FUNCTION "rayferry"."count_deleted"();--> statement-breakpoint
CREATE TRIGGER "count_inserted" AFTER INSERT ON "rayferry"."ray_task_execution" FOR EACH ROW
  WHEN (NEW.finished_at IS NOT NULL) EXECUTE FUNCTION "rayferry"."count_inserted"();--> statement-breakpoint
CREATE TRIGGER "count_truncated" AFTER TRUNCATE ON "rayferry"."ray_task_execution"
  FOR EACH STATEMENT EXECUTE FUNCTION "rayferry"."count_truncated"();--> statement-breakpoint
ALTER TABLE "rayferry"."task_count" SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);--> statement-breakpoint
ALTER TABLE "rayferry"."ray_task_execution" SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 10000);
