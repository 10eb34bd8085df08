// Metrics, health and the live page of the servers. Loaded when they are asked for.

import type { Application, Constructor, DynamicModule } from '@reagent/core';
import { Ops, OpsServer } from '@reagent/ops';

/** A module with what serves its operations. */
export function withOperations(module: Constructor, port = 0): DynamicModule {
  return { module, imports: [Ops.forRoot({ port, title: 'echo' })] };
}

/** Where the page is. */
export function urlOf(application: Application): string {
  return application.resolve(OpsServer).url;
}
