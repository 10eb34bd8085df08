// Applications with workers that are reloaded, lose a worker and are stopped, under a load that keeps both cores busy. What the clients count
// is said in bench/load/clients.c.

import { beforeAll, describe, expect, it } from 'vitest';
import { needs } from './support/program.js';
import { compileClients, MESSAGE_BYTES, TolerantClients } from './support/tolerant-clients.js';
import { WorkersProcess } from './support/workers-process.js';
import { bundle } from './support/workers-program.js';

const missing = needs('cc');

/** So many at a time. */
const CLIENTS = 20;

/** What never happens, whatever is done to the server. */
const neverMind = { torn: 0, wrong: 0, unanswered: { never: 0 } };

describe.skipIf(missing)(`under constant load${missing}`, () => {
  beforeAll(bundle);
  beforeAll(compileClients);

  // Whoever visits leaves by himself; whoever stays has to be asked.
  it.each([{ mode: 'visit' }, { mode: 'stream', atShutdown: 'close' }] as const)(
    'a reload and a stop lose no reply, and a reload refuses nobody ($mode)',
    async ({ mode, ...options }) => {
      await using server = await WorkersProcess.start({ workers: 2, silent: true, ...options });
      await using clients = await TolerantClients.start(server.port, mode, CLIENTS);
      server.kill('SIGHUP');
      await server.logged(/all workers replaced/);
      const reloaded = await clients.stop();
      expect(reloaded).toMatchObject({ ...neverMind, refused: 0, reset: 0, unanswered: { reset: 0 } });
      if (mode === 'visit') expect(reloaded).toMatchObject({ ended: 0, unanswered: { end: 0 } });
      else expect(reloaded.ended).toBeGreaterThan(0);

      await using others = await TolerantClients.start(server.port, mode, CLIENTS);
      server.kill('SIGTERM');
      expect(await server.exit()).toBe(0);
      const stopped = await others.stop();
      expect(stopped).toMatchObject(neverMind);
      // What workers have answered is what has come.
      const answered = [...server.log.matchAll(/^answered (\d+) bytes$/gm)].map(([, bytes]) => Number(bytes));
      expect(answered).toHaveLength(4);
      const bytes = answered.reduce((sum, count) => sum + count, 0);
      expect(bytes).toBe((reloaded.answered + stopped.answered) * MESSAGE_BYTES);
      expect(server.log).not.toMatch(/ERROR|WARN/);
    },
  );

  it('a worker that is killed takes along the connections that it had, and nobody is refused', async () => {
    await using server = await WorkersProcess.start({ workers: 2, silent: true });
    for (const mode of ['visit', 'stream'] as const) {
      await using clients = await TolerantClients.start(server.port, mode, CLIENTS);
      if (mode === 'stream') await server.ask('waitForConnections', CLIENTS);
      const [doomed] = (await server.stats()).workers?.processes ?? [];
      const begin = server.log.length;
      process.kill(doomed?.pid ?? -1, 'SIGKILL');
      await server.logged(/a worker listens/, begin);
      const { refused, reset, ended, torn, wrong } = await clients.stop();
      expect({ refused, wrong }).toEqual({ refused: 0, wrong: 0 });
      // Those that stay are those that it had; of those that come and go, so many can be there at a time.
      const had = mode === 'stream' ? doomed?.listeners.Server1?.connections.active : CLIENTS;
      expect(reset + ended).toBeLessThanOrEqual(had ?? -1);
      expect(torn).toBeLessThanOrEqual(reset + ended);
    }
  });
});
