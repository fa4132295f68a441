import { AT_ONCE, type Fault } from "../fault.ts";

export const restartPostgres: Fault = {
  kind: "restart -m immediate of Postgres",
  lasts: AT_ONCE,
  targets: 1,
  cutsStatements: true,
  async inject(world) {
    await world.postgres.restartImmediately();
    return { what: "Postgres", kills: 1 };
  },
};
