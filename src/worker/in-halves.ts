import { isRowRefused } from "../store/row-refused.ts";

/**
 * Writes rows by one statement; where Postgres refuses it for what is in it, by two of half as many, so that a row that can't be written stops no other.
 * Answers what `write` answered; `onRefused` is told of each that can't.
 */
export async function inHalves<Row, Answer>(
  rows: readonly Row[],
  write: (rows: readonly Row[]) => Promise<Answer>,
  onRefused: (row: Row, error: unknown) => void,
): Promise<Answer[]> {
  if (rows.length === 0) return [];
  try {
    return [await write(rows)];
  } catch (error) {
    if (!isRowRefused(error)) throw error;
    const [only] = rows;
    if (rows.length === 1 && only !== undefined) {
      onRefused(only, error);
      return [];
    }
    const middle = rows.length >> 1;
    const first = await inHalves(rows.slice(0, middle), write, onRefused);
    return [...first, ...(await inHalves(rows.slice(middle), write, onRefused))];
  }
}
