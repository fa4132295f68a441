/** Every fault that a run may do. */
import type { Fault } from "../fault.ts";
import { blackHole } from "./black-hole.ts";
import { fullDisk } from "./full-disk.ts";
import { halfOpen } from "./half-open.ts";
import { killBoth } from "./kill-both.ts";
import { killServer } from "./kill-server.ts";
import { killSidecar } from "./kill-sidecar.ts";
import { killTask } from "./kill-task.ts";
import { killWorker } from "./kill-worker.ts";
import { redeploy } from "./redeploy.ts";
import { restartPostgres } from "./restart-postgres.ts";
import { stopServer } from "./stop-server.ts";
import { stopSidecar } from "./stop-sidecar.ts";
import { stopWorker } from "./stop-worker.ts";
import { terminateConnections } from "./terminate-connections.ts";
import { wrongClock } from "./wrong-clock.ts";

export const FAULTS: readonly Fault[] = [
  killWorker,
  killSidecar,
  killBoth,
  killServer,
  killTask,
  stopWorker,
  stopSidecar,
  stopServer,
  redeploy,
  restartPostgres,
  terminateConnections,
  blackHole,
  halfOpen,
  wrongClock,
  fullDisk,
];
