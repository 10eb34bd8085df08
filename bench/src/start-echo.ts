// Starts the echo app, prints the CPU time that it took, and ends: what `bootstrap` measures.

import { bootstrap, type ModuleImport, silentLogger } from '@reagent/core';

const { AppModule } = (await import(new URL('../../apps/echo/dist/app.module.js', import.meta.url).href)) as {
  AppModule: ModuleImport;
};
const anywhere = { port: 0, host: '127.0.0.1' };
await bootstrap(AppModule, {
  logger: silentLogger,
  overrides: { PushEcho: anywhere, PullEcho: anywhere, SessionEcho: anywhere },
});
const usage = process.cpuUsage();
process.stdout.write(JSON.stringify(usage), () => process.exit());
