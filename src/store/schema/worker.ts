import { sql } from "drizzle-orm";
import { bigint, boolean, doublePrecision, index, integer, jsonb, text, uuid } from "drizzle-orm/pg-core";
import type { RayFacts } from "../../worker-lease.ts";
import { instant } from "./columns.ts";
import { rayferrySchema } from "./rayferry.ts";

export const workerState = rayferrySchema.enum("worker_state", ["STARTING", "READY", "DRAINING", "STOPPED", "LOST"]);

/** One row a worker incarnation: its time-limited right to its executions, by the database's clock. */
export const taskWorkerLease = rayferrySchema.table(
  "task_worker_lease",
  {
    /** The incarnation. */
    id: uuid().primaryKey(),
    name: text().notNull(),
    host: text().notNull(),
    pid: integer().notNull(),
    version: text().notNull(),
    queues: text().array().notNull(),
    tasks: text().array().notNull().default(sql`'{}'::text[]`),
    slots: integer(),
    /** Executions that it holds, at whichever server: sent and not yet taken by the server; waiting for room in Ray; running. */
    submitted: integer().notNull().default(0),
    pending: integer().notNull().default(0),
    running: integer().notNull().default(0),
    /** Write-backs of its own that lost to a newer fence or holder. */
    refused: bigint({ mode: "number" }).notNull().default(0),
    state: workerState().notNull().default("STARTING"),
    /** It sweeps for all: one worker at a time. */
    leads: boolean().notNull().default(false),
    /** Somebody asked it to claim no more. */
    drainRequestedAt: instant("drain_requested_at"),
    /** The server that it submits to. */
    server: uuid(),
    /** The Python process that it started; null with a server that somebody else started. */
    sidecarPid: integer("sidecar_pid"),
    /** Whether its server takes work now; null before there is one. */
    accepting: boolean(),
    /** Ray as its server last saw it. */
    ray: jsonb().$type<RayFacts>(),
    lastError: text("last_error"),
    lastErrorAt: instant("last_error_at"),
    startedAt: instant("started_at").notNull().default(sql`now()`),
    heartbeatAt: instant("heartbeat_at").notNull().default(sql`now()`),
    expiresAt: instant("expires_at").notNull(),
    stoppedAt: instant("stopped_at"),
  },
  (t) => [index("task_worker_lease_name").on(t.name)],
);

/** One row a server: where it is, who has it, and until when it may act. */
export const taskSidecar = rayferrySchema.table("task_sidecar", {
  id: uuid().primaryKey(),
  /** The incarnation that submits to it, or the last one that did. Others may hold executions that it has. */
  holder: uuid()
    .notNull()
    .references(() => taskWorkerLease.id),
  /** The name of the worker that submits to it. */
  worker: text().notNull(),
  /** The server's own id, drawn at its start. */
  epoch: text().notNull().unique("task_sidecar_epoch"),
  endpoint: text().notNull(),
  build: text().notNull(),
  pid: integer().notNull(),
  /** It outlives its worker's process: in an actor, or started by hand. */
  outlives: boolean().notNull().default(false),
  /** Of a server in a detached actor. */
  actorName: text("actor_name"),
  namespace: text(),
  /** Package build and task code of a server in an actor. */
  generation: text(),
  rayAddress: text("ray_address"),
  rayVersion: text("ray_version"),
  nodes: integer(),
  cpus: doublePrecision(),
  gpus: doublePrecision(),
  startedAt: instant("started_at").notNull().default(sql`now()`),
  /** The server stops its work by itself before this, should nobody renew it. Nobody requeues what it holds before this + 2 s. */
  authorityUntil: instant("authority_until").notNull(),
  /** Known to be dead since: its process ended, or Ray said so. */
  endedAt: instant("ended_at"),
  /** Nothing that it held is left to requeue. */
  emptiedAt: instant("emptied_at"),
});
