// Applications with workers that do not come up: nothing of them is left.

import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { TestClient } from '@reagent/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import { TemporaryDirectory } from './support/temporary-directory.js';
import { WorkersProcess } from './support/workers-process.js';
import { bundle } from './support/workers-program.js';

beforeAll(bundle);

/** Workers do this before they get to the main file. */
function inWorkers(script: string): readonly string[] {
  return ['--import', `data:text/javascript,if(process.env.REAGENT_WORKER)${script}`];
}

describe('an application with workers that cannot start', () => {
  it('ends with all that is wrong with it, and starts no process', async () => {
    const { code, log } = await WorkersProcess.fail({ listeners: [{ port: 65_536 }, {}], workers: { count: 0 } });
    expect(code).toBe(1);
    expect(log).toMatch(/ConfigurationError: 3 problems/);
    expect(log).toMatch(/workers.count: expected a whole number of 1 or more or 'auto', received 0/);
  });

  it.each([
    { lateDescriptors: false, name: 'known at the start' },
    { lateDescriptors: true, name: 'known in the workers' },
  ])('ends with the error of a single process if a port is taken that is $name', async ({ lateDescriptors }) => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as AddressInfo;
    const listeners = [
      { port: 0, host: '127.0.0.1' },
      { port, host: '127.0.0.1' },
    ];
    const { code, log } = await WorkersProcess.fail({ listeners, lateDescriptors });
    taken.close();
    expect(code).toBe(1);
    expect(log.match(/^ListenError:/gm)).toHaveLength(1);
    expect(log).toContain(`Server2 cannot listen on 127.0.0.1:${port}: something already listens there`);
  });

  it('ends with the error if two of its listeners want the same port', async () => {
    const free = createServer().listen(0, '127.0.0.1');
    await once(free, 'listening');
    const { port } = free.address() as AddressInfo;
    free.close();
    await once(free, 'close');
    const { code, log } = await WorkersProcess.fail({ listeners: [{ port, host: '127.0.0.1' }, { port }] });
    expect(code).toBe(1);
    expect(log).toMatch(/ListenError.*Server2 cannot listen on port \d+ on all interfaces/);
  });

  it('ends with what a worker says, and leaves none', async () => {
    await using directory = await TemporaryDirectory.make();
    await writeFile(directory.at('fault'), 'all');
    const path = directory.at('socket');
    const { code, log } = await WorkersProcess.fail({ faultFile: directory.at('fault'), listeners: [{ path }] });
    expect(code).toBe(1);
    expect(log.match(/^ProviderError: Cannot make Fragile of AppModule/gm)).toHaveLength(1);
    expect(log).toContain('told to fail');
    await expect(TestClient.connect({ path })).rejects.toThrow('ENOENT');
  });

  it('says so where a worker ends before it gets that far', async () => {
    const { code, log } = await WorkersProcess.fail({ workers: 1, execArgv: inWorkers('process.exit(7)') });
    expect(code).toBe(1);
    expect(log).toMatch(/worker 1 has ended with code 7 before it listened/);
  });

  it('says so where a worker takes longer than it may', async () => {
    const never = inWorkers('await new Promise((resolve)=>setTimeout(resolve,60_000))');
    const { code, log } = await WorkersProcess.fail({ workers: { count: 1, startTimeout: 500 }, execArgv: never });
    expect(code).toBe(1);
    expect(log).toMatch(/worker 1 did not listen within 500 ms/);
  });

  it('does not start again what runs tests', async () => {
    const { bootstrap, Module } = await import('@reagent/core');
    @Module({})
    class Empty {}
    await expect(bootstrap(Empty, { workers: 2 })).rejects.toThrow(/runs tests|main thread/);
  });
});
