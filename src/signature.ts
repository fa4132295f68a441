import { isLiteral } from "./payload/plain-object.ts";
import type { TaskDefinition } from "./store/definitions.ts";
import type { TaskParameter } from "./store/schema.ts";
import { didYouMean } from "./suggest.ts";

type Signature = Pick<TaskDefinition, "name" | "parameters">;

/**
 * What is wrong with calling the task with `input`, in Python's words, or null when it fits: an object is keyword arguments, an array positional ones.
 * Names and number are checked here; types by the task itself.
 */
export function findMisfit(task: Signature, input: unknown): string | null {
  if (Array.isArray(input)) return positionalMisfit(task, input.length);
  if (input === null || typeof input !== "object")
    return `${describe(task)} takes an object of keyword arguments or an array of positional ones, not ${input === null ? "null" : `a ${typeof input}`}.`;
  if (!isLiteral(input))
    return `${describe(task)} takes an object of keyword arguments or an array of positional ones, not a ${input.constructor.name}.`;
  // encodePayload leaves undefined members out.
  const given = Object.entries(input).filter(([, value]) => value !== undefined);
  return keywordMisfit(
    task,
    given.map(([name]) => name),
  );
}

function positionalMisfit(task: Signature, given: number): string | null {
  const positional = task.parameters.filter(
    (each) => each.kind === "positional_only" || each.kind === "positional_or_keyword",
  );
  const takesMore = task.parameters.some((each) => each.kind === "var_positional");
  if (given > positional.length && !takesMore) {
    return `${describe(task)} takes ${positional.length} positional argument(s) but ${given} were given.`;
  }
  const missing = [
    ...positional.slice(given),
    ...task.parameters.filter((each) => each.kind === "keyword_only"),
  ].filter((each) => each.required);
  return missing.length > 0 ? missingSentence(task, missing) : null;
}

function keywordMisfit(task: Signature, given: readonly string[]): string | null {
  const takesAny = task.parameters.some((each) => each.kind === "var_keyword");
  const named = task.parameters.filter((each) => each.kind === "positional_or_keyword" || each.kind === "keyword_only");
  const names = named.map((each) => each.name);
  const unexpected = given.find((name) => !names.includes(name));
  if (unexpected !== undefined && !takesAny) {
    return `${describe(task)} got an unexpected argument ${JSON.stringify(unexpected)}.${didYouMean(unexpected, names)}`;
  }
  const positionalOnly = task.parameters.find((each) => each.kind === "positional_only" && each.required);
  if (positionalOnly !== undefined) {
    return `${describe(task)} takes ${JSON.stringify(positionalOnly.name)} by position only: pass an array.`;
  }
  const missing = named.filter((each) => each.required && !given.includes(each.name));
  return missing.length > 0 ? missingSentence(task, missing) : null;
}

function missingSentence(task: Signature, missing: readonly TaskParameter[]): string {
  return `${describe(task)} is missing ${missing.length} required argument(s): ${missing.map((each) => JSON.stringify(each.name)).join(", ")}.`;
}

/** `digits.cross_validate(c: float, gamma=0.1)`. */
export function describe(task: Signature): string {
  const prefix = {
    var_positional: "*",
    var_keyword: "**",
    positional_only: "",
    positional_or_keyword: "",
    keyword_only: "",
  };
  const shown = task.parameters.map((each) => {
    const annotation = each.annotation === null ? "" : `: ${each.annotation}`;
    const fallback = each.default === null ? "" : ` = ${each.default}`;
    return `${prefix[each.kind]}${each.name}${annotation}${fallback}`;
  });
  return `${task.name}(${shown.join(", ")})`;
}
