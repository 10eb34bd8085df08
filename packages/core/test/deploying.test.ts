// What the guide's page on deploying has people install is well-formed, of one mind, and does what the page says of it.

import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { TestClient } from '@reagent/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { GuideProgram, GuidePrograms } from './support/guide-programs.js';
import { adapted, Page } from './support/page.js';
import { needs, Program } from './support/program.js';
import { TemporaryDirectory } from './support/temporary-directory.js';

/** Milliseconds that it may take to compile the page's program, or to run it. */
const LONG = 120_000;

/** Seconds that hooks have when the time for draining is over. */
const LAST_HOOKS = 1;

const page = Page.read('deploying.md');
const [unit = ''] = page.blocks('ini');
const [dockerfile = ''] = page.blocks('dockerfile');
const [main = ''] = page.blocks('ts file=main.ts');

/** What stands behind a name and an equals sign in the unit. */
const setting = (name: string): string => new RegExp(`^${name}=(.*)$`, 'm').exec(unit)?.[1] ?? '';

/** The number behind some text of the main file. */
const numberIn = (pattern: RegExp): number => Number(pattern.exec(main)?.[1]?.replaceAll('_', ''));

const port = numberIn(/@Reagent\(\{ port: (\d+)/);
const opsPort = numberIn(/forRoot\(\{ port: (\d+)/);
const drainSeconds = numberIn(/shutdown: ([\d_]+)/) / 1_000;

interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string };
}

/** The manifests as far as they are looked at here. */
interface Manifests {
  readonly Deployment: {
    readonly spec: {
      readonly selector: { readonly matchLabels: object };
      readonly template: {
        readonly metadata: { readonly labels: object };
        readonly spec: {
          readonly terminationGracePeriodSeconds: number;
          readonly containers: readonly [
            {
              readonly env: readonly { readonly name: string; readonly value: string }[];
              readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
              readonly startupProbe: Probe;
              readonly readinessProbe: Probe;
              readonly livenessProbe: Probe;
              readonly lifecycle: { readonly preStop: { readonly exec: { readonly command: readonly string[] } } };
            },
          ];
        };
      };
    };
  };
  readonly Service: {
    readonly spec: {
      readonly selector: object;
      readonly ports: readonly { readonly port: number; readonly targetPort: string }[];
    };
  };
  readonly PodDisruptionBudget: { readonly spec: { readonly selector: { readonly matchLabels: object } } };
}

const [yaml = ''] = page.blocks('yaml');
const manifests = Object.fromEntries(
  parseAllDocuments(yaml)
    .map((document) => document.toJS() as { readonly kind: string })
    .map((manifest) => [manifest.kind, manifest]),
) as unknown as Manifests;
const pod = manifests.Deployment.spec.template;
const [container] = pod.spec.containers;

describe('the unit', () => {
  const noAnalyzer = needs('systemd-analyze');

  /** The unit in a file of its own, with the Node.js that there is here. */
  function written(directory: TemporaryDirectory): string {
    const path = directory.at('chat.service');
    writeFileSync(path, adapted(unit, { '/usr/bin/node': process.execPath }));
    return path;
  }

  it.skipIf(noAnalyzer !== '')(`has no mistake that systemd knows of${noAnalyzer}`, async () => {
    await using directory = await TemporaryDirectory.make();
    const analyzer = await Program.run('systemd-analyze', ['verify', written(directory)]);
    expect(analyzer.errors).toBe('');
    expect(await analyzer.exit()).toBe(0);
  });

  it.skipIf(noAnalyzer !== '')(`leaves no more than the page says to who breaks in${noAnalyzer}`, async () => {
    await using directory = await TemporaryDirectory.make();
    const path = written(directory);
    const { errors, output } = await Program.run('systemd-analyze', ['security', '--offline=true', path]);
    expect(errors).toBe('');
    // Of 10; what a version of systemd counts differs.
    const exposure = /Overall exposure level for chat\.service: ([\d.]+)/.exec(output)?.[1];
    expect(Number(exposure)).toBeLessThan(2);
    expect(page.text).toContain('gives it less than 2 points of 10');
  });

  it('waits longer than the application drains, and asks where it answers', () => {
    expect(Number(setting('TimeoutStopSec'))).toBeGreaterThan(drainSeconds + LAST_HOOKS);
    expect(setting('ExecStartPost')).toMatch(`http://127.0.0.1:${opsPort}/readyz`);
    expect(setting('ExecStart')).toBe('/usr/bin/node /srv/chat/current/dist/main.js');
  });
});

describe('the Dockerfile', () => {
  const [stage = ''] = dockerfile.split(/^FROM /m).slice(-1);

  it('ends with an image in which node is process 1, and nobody is root', () => {
    expect(stage).toMatch(/^USER node$/m);
    expect(JSON.parse(/^CMD (.*)$/m.exec(stage)?.[1] ?? '')).toEqual(['node', 'dist/main.js']);
  });

  it('has the ports of the application, and lets the outside ask for its health', () => {
    expect(/^EXPOSE (.*)$/m.exec(stage)?.[1]).toBe(`${port} ${opsPort}`);
    expect(stage).toContain('OPS_HOST=0.0.0.0');
    expect(page.blocks('dockerfile')[1]).toContain(`http://127.0.0.1:${opsPort}/healthz`);
  });
});

describe('the manifests', () => {
  it('select the pods that they describe', () => {
    const { labels } = pod.metadata;
    expect(manifests.Deployment.spec.selector.matchLabels).toEqual(labels);
    expect(manifests.Service.spec.selector).toEqual(labels);
    expect(manifests.PodDisruptionBudget.spec.selector.matchLabels).toEqual(labels);
  });

  it('have the ports of the application', () => {
    const portOf = (name: string) => container.ports.find((each) => each.name === name)?.containerPort;
    const [service] = manifests.Service.spec.ports;
    expect(portOf(service?.targetPort ?? '')).toBe(port);
    for (const { httpGet } of [container.startupProbe, container.readinessProbe, container.livenessProbe]) {
      expect(portOf(httpGet.port)).toBe(opsPort);
    }
    // The kubelet comes from outside of the pod.
    expect(container.env).toContainEqual({ name: 'OPS_HOST', value: '0.0.0.0' });
  });

  it('restart it for its health only', () => {
    expect(container.livenessProbe.httpGet.path).toBe('/healthz');
    expect(container.readinessProbe.httpGet.path).toBe('/readyz');
    expect(container.startupProbe.httpGet.path).toBe('/readyz');
  });

  it('leave it the time to drain', () => {
    const [program, seconds] = container.lifecycle.preStop.exec.command;
    expect(program).toBe('sleep');
    expect(pod.spec.terminationGracePeriodSeconds).toBeGreaterThan(Number(seconds) + drainSeconds + LAST_HOOKS);
  });
});

describe('the application', { timeout: LONG }, () => {
  /** On ports of its own; says when it is up. */
  const changes = {
    [`port: ${port}`]: 'port: 0',
    [`port: ${opsPort}`]: 'port: 0',
    'await bootstrap(': 'const app = await bootstrap(',
    'Number(WORKERS) });': "Number(WORKERS) });\nif (app.worker === undefined) console.log('up');",
  };
  let programs: GuidePrograms;

  beforeAll(() => {
    programs = GuidePrograms.compile('docs/deploying.md', { 'main.ts': changes });
  }, LONG);

  afterAll(() => programs[Symbol.dispose]());

  const environments: Record<string, string>[] = [{}, { WORKERS: '2' }];

  /** The program with something else in it, in another file. */
  function variant(file: string, change: Readonly<Record<string, string>>): void {
    writeFileSync(programs.at(file), adapted(readFileSync(programs.at('main.js'), 'utf8'), change));
  }

  it.each(environments)('drains on SIGTERM, and ends with code 0: %j', async (environment) => {
    await using server = programs.start('main.ts', environment);
    const client = await connectTo(server);
    server.kill('SIGTERM');
    expect(await client.line()).toBe('going down');
    expect(await client.closed()).toBe('end');
    expect(await server.exit()).toBe(0);
  });

  it.each(environments)('is not ready while it drains, and serves who is there: %j', async (environment) => {
    // Only its clients end its connections, as where a goodbye is all that a protocol has.
    variant('patient.js', { 'conn.close();': '' });
    await using server = programs.start('patient.js', environment);
    const url = await urlOf(server);
    const client = await connectTo(server);
    expect(await statusOf(`${url}readyz`)).toBe(200);
    server.kill('SIGTERM');
    expect(await client.line()).toBe('going down');
    expect(await statusOf(`${url}readyz`)).toBe(503);
    expect(await statusOf(`${url}healthz`)).toBe(200);
    await client.send('still here?\n');
    expect(await client.line()).toBe('still here?');
    await refused(client.remotePort);
    await client.end();
    expect(await server.exit()).toBe(0);
  });

  it('takes a new release on SIGHUP by the link that it was started with, and refuses nobody', async () => {
    for (const release of ['one', 'two']) {
      mkdirSync(programs.at(release));
      variant(`${release}/main.js`, { 'conn.send(line)': `conn.send('${release}')` });
    }
    symlinkSync(programs.at('one'), programs.at('current'));
    await using server = new GuideProgram([process.execPath, programs.at('current/main.js')], { WORKERS: '2' });
    const before = await connectTo(server, 'one');
    let isOver = false;
    const visiting = (async () => {
      const answers = new Set<string>();
      while (!isOver) {
        await using client = await TestClient.connect({ port: before.remotePort }, { timeout: 10_000 });
        await client.send('who?\n');
        answers.add(await client.line());
      }
      return answers;
    })();
    symlinkSync(programs.at('two'), programs.at('next'));
    renameSync(programs.at('next'), programs.at('current'));
    server.kill('SIGHUP');
    expect(await before.line({ timeout: 20_000 })).toBe('going down');
    await server.wrote(/all workers replaced/);
    isOver = true;
    expect([...(await visiting)]).toContain('two');
    await using after = await TestClient.connect({ port: before.remotePort });
    await after.send('who?\n');
    expect(await after.line()).toBe('two');
    expect(await server.terminate()).toBe(0);
  });

  const unshare = ['unshare', '--pid', '--fork', '--mount-proc', '--kill-child'] as const;
  const noNamespace =
    spawnSync(unshare[0], [...unshare.slice(1), 'true']).status === 0 ? '' : ' (skipped: no PID namespaces here)';

  describe.skipIf(noNamespace !== '')(`as in a container${noNamespace}`, () => {
    const start = (environment: Record<string, string>, ...command: string[]) =>
      new GuideProgram([...unshare, ...command], environment);

    it.each(environments)('drains on SIGTERM as process 1: %j', async (environment) => {
      await using server = start(environment, process.execPath, programs.at('main.js'));
      const client = await connectTo(server);
      process.kill(firstChildOf(server.pid), 'SIGTERM');
      expect(await client.line()).toBe('going down');
      expect(await server.exit()).toBe(0);
    });

    it('learns nothing of a SIGTERM that goes to a shell', async () => {
      await using server = start({}, 'sh', '-c', `${process.execPath} ${programs.at('main.js')}; true`);
      const client = await connectTo(server);
      process.kill(firstChildOf(server.pid), 'SIGTERM');
      await client.send('still here?\n');
      expect(await client.line()).toBe('still here?');
      expect(server.output).not.toContain('stopping');
    });
  });
});

/** Where an application serves its operations. */
async function urlOf(server: GuideProgram): Promise<string> {
  const [, url = ''] = await server.wrote(/ served url=(\S+)/);
  return url;
}

async function statusOf(url: string): Promise<number> {
  // Nothing is kept open, so that each is a connection of its own.
  const response = await fetch(url, { headers: { connection: 'close' } });
  await response.text();
  return response.status;
}

/** A client that has had an answer. */
async function connectTo(
  server: GuideProgram,
  answer = 'hello',
): Promise<TestClient & { readonly remotePort: number }> {
  await server.wrote(/^up$/m);
  const [, port] = await server.wrote(/listener=Chat .*port (\d+)/);
  const remotePort = Number(port);
  const client = await TestClient.connect({ port: remotePort }, { timeout: 10_000 });
  await client.send('hello\n');
  expect(await client.line()).toBe(answer);
  return Object.assign(client, { remotePort });
}

/** Waits until nobody listens there any more. */
async function refused(port: number): Promise<void> {
  for (;;) {
    try {
      // A worker that has not heard of it yet.
      (await TestClient.connect({ port })).destroy();
    } catch (error) {
      expect(String(error)).toContain('ECONNREFUSED');
      return;
    }
  }
}

/** The process that another one has started, which is process 1 to itself. */
function firstChildOf(pid: number): number {
  return Number.parseInt(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8'), 10);
}
