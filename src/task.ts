/** A task's name with the types of its input and result. */
export interface Task<Input, Output> {
  readonly name: string;
  /** Types only: never there at run time. */
  readonly types?: { readonly input: (input: Input) => void; readonly output: Output };
}

/** Names a Python task and ties its types: `const add = defineTask<{ a: number; b: number }, number>("math.add")`. */
export function defineTask<Input, Output>(name: string): Task<Input, Output> {
  return { name };
}
