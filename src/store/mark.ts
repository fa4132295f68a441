/**
 * Every verb that writes executions marks its own transaction, so that the triggers on the table know it from a hand-made statement. The mark is in the
 * statement and not on the connection: it then holds through a transaction pooler and in a caller's transaction, without another round trip.
 */

/** A condition that is true, and sets the mark before the first row is written: Postgres evaluates it once, before the scan. */
export const MARK = "(select set_config('rayferry.verb', 'on', true)) = 'on'";

/**
 * The last SELECT of a statement that may run in a caller's transaction: `answer`, of one column `row`, and before it the mark taken off, after `step` has
 * written its rows, so that what the caller writes by hand later is looked at again. The mark comes off where `answer` has no row too: that is one row
 * which is null.
 */
export const unmarking = (step: string, answer: string) =>
  `select answer.row from (
      select set_config('rayferry.verb', '', true) from (select count(*) from ${step}) written_rows
    ) unmarked left join (${answer}) answer on true`;
