/** Every rule that a history has to keep. */
import type { Rule } from "../finding.ts";
import { attempts } from "./attempts.ts";
import { bulkCancel } from "./bulk-cancel.ts";
import { cancelled } from "./cancelled.ts";
import { claimOrder } from "./claim-order.ts";
import { deadlocks } from "./deadlocks.ts";
import { done } from "./done.ts";
import { ended } from "./ended.ts";
import { leaks } from "./leaks.ts";
import { ofTheHolder } from "./of-the-holder.ts";
import { oneOutcome } from "./one-outcome.ts";
import { overlap } from "./overlap.ts";
import { paused } from "./paused.ts";
import { recovered } from "./recovered.ts";
import { rightEnd } from "./right-end.ts";
import { timedOut } from "./timed-out.ts";
import { transitions } from "./transitions.ts";
import { trueOutcome } from "./true-outcome.ts";

export const RULES: readonly Rule[] = [
  ended,
  rightEnd,
  oneOutcome,
  transitions,
  trueOutcome,
  ofTheHolder,
  overlap,
  attempts,
  cancelled,
  bulkCancel,
  timedOut,
  claimOrder,
  paused,
  recovered,
  done,
  leaks,
  deadlocks,
];
