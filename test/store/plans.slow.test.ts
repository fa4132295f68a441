import { testPlans } from "../support/plans.ts";

await testPlans({ ready: 20_000, later: 20_000, finished: 20_000 });
