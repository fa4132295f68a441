import { ConfigurationError } from "./errors.ts";
import type { CallerClient } from "./store/queryable.ts";
import { didYouMean } from "./suggest.ts";

export interface ResultOptions {
  /** Seconds to wait; default: for ever. */
  readonly timeout?: number;
  /** Ends the waiting, not the execution. */
  readonly signal?: AbortSignal;
}

/** What every verb takes. */
export interface VerbOptions {
  /** Do it in this transaction of yours (postgres.js or drizzle): it is done, and others are told, if, and only if, that commits. */
  readonly tx?: CallerClient;
}

export interface CancelOptions extends VerbOptions {
  /** Kept with the execution. */
  readonly reason?: string;
}

export interface RerunOptions extends VerbOptions {
  /** Default: the input of the old one, exactly. */
  readonly input?: unknown;
  /** UUID of the new execution, made by you: repeating the rerun with it is harmless. Default: a new UUID v7. */
  readonly id?: string;
}

/**
 * Refuses options that a verb doesn't have, and a reason that isn't text.
 *
 * @throws ConfigurationError
 */
export function checkVerbOptions(verb: string, options: object, known: readonly string[]): void {
  for (const name of Object.keys(options)) {
    if (!known.includes(name))
      throw new ConfigurationError(
        `${verb} has no option "${name}".${didYouMean(name, known) || ` Options: ${known.join(", ")}.`}`,
      );
  }
  const reason: unknown = Reflect.get(options, "reason");
  if (reason !== undefined && !(typeof reason === "string" && reason.isWellFormed() && !reason.includes("\0")))
    throw new ConfigurationError(`reason must be a string without NUL, not ${JSON.stringify(reason)}.`);
}
