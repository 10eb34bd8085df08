import { bootstrap, ListenError, type Listener, ProviderError } from '@reagent/core';
import { AppModule } from './app.module.js';
import { type Options, readOptions, UsageError, usage } from './options.js';
import { PullEcho } from './pull-echo.js';
import { PushEcho } from './push-echo.js';
import { SessionEcho } from './session-echo.js';
import { TlsAppModule } from './tls-app.module.js';
import { TlsEcho } from './tls-echo.js';

try {
  const options = readOptions(process.argv.slice(2), process.env);
  if (options.help) process.stdout.write(usage);
  else await run(options);
} catch (error) {
  if (error instanceof UsageError) {
    process.stderr.write(`${error.message}\n\n${usage}`);
    process.exitCode = 2;
  } else {
    // That of operations comes as the cause of what could not be made.
    const cause = error instanceof ProviderError ? error.cause : error;
    if (!(cause instanceof ListenError)) throw error;
    process.stderr.write(`${cause.message}\n`);
    process.exitCode = 1;
  }
}

async function run({ port, host, tls, workers, ops }: Options): Promise<void> {
  const at = (offset: number) => ({
    port: port === 0 ? 0 : port + offset,
    ...(host === undefined ? {} : { host }),
  });
  const overrides = { [PushEcho.name]: at(0), [PullEcho.name]: at(1), [SessionEcho.name]: at(2) };
  const operations = ops === undefined ? undefined : await import('./operations.js');
  const modules = tls ? TlsAppModule : AppModule;
  const app = await bootstrap(operations?.withOperations(modules, ops) ?? modules, {
    overrides: tls ? { ...overrides, [TlsEcho.name]: at(3) } : overrides,
    ...(tls ? { secure: await throwAwayCertificate() } : {}),
    workers,
  });
  // Once for all workers, by their supervisor.
  if (app.worker !== undefined) return;
  for (const listener of app.listeners) {
    process.stdout.write(
      `${listener.name} listens on ${bracketed(listener.address)}:${listener.port}, try: ${example(listener)}\n`,
    );
  }
  if (operations !== undefined) process.stdout.write(`Look at ${operations.urlOf(app)}\n`);
}

/** Made for this run, and trusted by nobody. */
async function throwAwayCertificate() {
  // Of use here only, so it is not loaded otherwise.
  const { certificates } = await import('@reagent/testing');
  return (await certificates()).server;
}

/** A command that talks to a listener from this machine. */
function example({ address, port, secure }: Listener): string {
  const host = address === '::' || address === '0.0.0.0' ? '127.0.0.1' : address;
  return secure
    ? `openssl s_client -quiet -connect ${bracketed(host)}:${port}`
    : `printf 'hello\\n' | nc -N ${host} ${port}`;
}

function bracketed(address: string): string {
  return address.includes(':') ? `[${address}]` : address;
}
