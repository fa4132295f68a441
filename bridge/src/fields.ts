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
export const float = field<number>("float", (value) => typeof value === "number");
export const bin = field<Uint8Array>("bin", (value) => value instanceof Uint8Array);
export const map = <T extends object>(): Field<T> =>
  field<T>(
    "map",
    (value) => typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array),
  );

export const nullable = <T>(inner: Field<T>): Field<T | null> =>
  field<T | null>(`${inner.type} or null`, (value) => value === null || inner.accepts(value));

export const array = <T>(inner: Field<T>): Field<readonly T[]> =>
  field<readonly T[]>(`array of ${inner.type}`, (value) => Array.isArray(value) && value.every(inner.accepts));

/** [execution, fence]. */
export const attemptKey = field<readonly [string, number]>(
  "[execution, fence]",
  (value) =>
    Array.isArray(value) && value.length === 2 && typeof value[0] === "string" && Number.isSafeInteger(value[1]),
);
