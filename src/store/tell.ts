import type { Names } from "./names.ts";

/** Ids a notification can carry: 8,000 bytes of payload, 37 a UUID with its comma. */
const IDS_A_NOTIFICATION = 200;

/** A select that tells who waits for results of the ids in `step`; `where` narrows them down. */
export const tellFinished = (names: Names, step: string, where = "true") =>
  `select pg_notify('${names.finishedChannel}', string_agg(id::text, ',')) from (
        select id, (row_number() over () - 1) / ${IDS_A_NOTIFICATION} as part from ${step} where ${where}) ended group by part`;
