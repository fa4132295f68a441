/** Types of the fields in PROTOCOL.md's tables: what a value must be, and what TypeScript may take it for. */
export interface Field<T> {
  /** As PROTOCOL.md writes it. */
  readonly type: string;
  readonly accepts: (value: unknown) => value is T;
}

/** The TypeScript type of a message with these fields. */
export type Fields<Table> = { readonly [Name in keyof Table]: Table[Name] extends Field<infer T> ? T : never };

function field<T>(type: string, accepts: (value: unknown) => boolean): Field<T> {
  return { type, accepts: (value): value is T => accepts(value) };
}

export const str = field<string>("str", (value) => typeof value === "string");
export const int = field<number>("int", Number.isSafeInteger);
export const bool = field<boolean>("bool", (value) => typeof value === "boolean");
export const float = field<number>("float", (value) => typeof value === "number");
export const bin = field<Uint8Array>("bin", (value) => value instanceof Uint8Array);
export const nullable = <T>(inner: Field<T>): Field<T | null> =>
  field<T | null>(`${inner.type} or null`, (value) => value === null || inner.accepts(value));

/** One of these words. */
export const word = <const Words extends readonly string[]>(...words: Words): Field<Words[number]> =>
  field<Words[number]>("str", (value) => typeof value === "string" && words.includes(value));

export const array = <T>(inner: Field<T>): Field<readonly T[]> =>
  field<readonly T[]>(`array of ${inner.type}`, (value) => Array.isArray(value) && value.every(inner.accepts));

const isPlainMap = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);

export const map = <T extends object>(): Field<T> => field<T>("map", isPlainMap);

const isCount = (value: unknown) => Number.isSafeInteger(value) && Number(value) > 0;

/** What the other side may have outstanding. */
export interface Credit {
  readonly messages: number;
  readonly bytes: number;
}

export const creditMap = field<Credit>(
  "map",
  (value) => isPlainMap(value) && isCount(value["messages"]) && isCount(value["bytes"]),
);

/** [session, received]. */
export const resumePoint = field<readonly [string, number]>(
  "[session, received]",
  (value) =>
    Array.isArray(value) && value.length === 2 && typeof value[0] === "string" && Number.isSafeInteger(value[1]),
);

/** In one message. */
const MAX_ATTEMPTS = 10_000;

/** An array of as many as one message may name. */
export const attempts = <T>(inner: Field<T>): Field<readonly T[]> =>
  field<readonly T[]>(
    `array of ${inner.type}`,
    (value) => Array.isArray(value) && value.length <= MAX_ATTEMPTS && value.every(inner.accepts),
  );

/** SUBMITTED: not known to have started. ENDED: with a result that isn't recorded yet. */
export type Phase = "SUBMITTED" | "RUNNING" | "ENDED";

/** [execution, fence, holder, phase]. */
export const inventoryEntry = field<readonly [string, number, string, Phase]>(
  "[execution, fence, holder, phase]",
  (value) =>
    Array.isArray(value) &&
    value.length === 4 &&
    typeof value[0] === "string" &&
    Number.isSafeInteger(value[1]) &&
    typeof value[2] === "string" &&
    ["SUBMITTED", "RUNNING", "ENDED"].includes(value[3]),
);

/** [execution, fence]. */
export const attemptKey = field<readonly [string, number]>(
  "[execution, fence]",
  (value) =>
    Array.isArray(value) && value.length === 2 && typeof value[0] === "string" && Number.isSafeInteger(value[1]),
);
