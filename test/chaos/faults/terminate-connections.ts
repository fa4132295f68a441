import { AT_ONCE, type Fault } from "../fault.ts";

export const terminateConnections: Fault = {
  kind: "pg_terminate_backend of our connections",
  lasts: AT_ONCE,
  targets: 1,
  cutsStatements: true,
  async inject(world) {
    const rows = await world.sql`
      select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name like 'rayferry%'`;
    return { what: `${rows.length} connections` };
  },
};
