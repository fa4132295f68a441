import { ConfigurationError } from "./errors.ts";
import { didYouMean } from "./suggest.ts";

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
