import { type Constructor, type DescriptorInput, silentLogger, start } from '@reagent/core';

/** Starts a reagent as every peer is started. Returns the port. */
export async function startReagent(reagent: Constructor, descriptor: DescriptorInput = {}): Promise<number> {
  const app = await start(
    reagent,
    { ...descriptor, port: 0, host: '127.0.0.1' },
    { logger: silentLogger, signals: false },
  );
  return app.listener(reagent).port;
}
