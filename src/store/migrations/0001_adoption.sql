-- rayferry: breaks older builds
DROP INDEX "rayferry"."ray_task_execution_held";--> statement-breakpoint
ALTER TABLE "rayferry"."task_sidecar" ADD COLUMN "worker" text;--> statement-breakpoint
UPDATE "rayferry"."task_sidecar" s SET "worker" = l."name" FROM "rayferry"."task_worker_lease" l WHERE l."id" = s."holder";--> statement-breakpoint
ALTER TABLE "rayferry"."task_sidecar" ALTER COLUMN "worker" SET NOT NULL;--> statement-breakpoint
ALTER TABLE "rayferry"."task_sidecar" ADD COLUMN "outlives" boolean DEFAULT false NOT NULL;--> statement-breakpoint
CREATE INDEX "ray_task_execution_held" ON "rayferry"."ray_task_execution" USING btree ("server","holder") WHERE server is not null;--> statement-breakpoint
ALTER TABLE "rayferry"."task_sidecar" ADD CONSTRAINT "task_sidecar_epoch" UNIQUE("epoch");