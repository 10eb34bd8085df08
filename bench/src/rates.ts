// How many messages a server handles in a second, of its CPU time mostly, measured in turns with its rivals.

import type { Machine } from './machine.js';
import type { Options } from './options.js';
import type { Figures, Measurement, Outcome, Verdict } from './outcome.js';
import { LoadProcess, ServerProcess } from './processes.js';
import type { Contender, Scenario } from './scenarios.js';
import { median, spread } from './statistics.js';

interface Sample {
  /** Messages per second of the server's CPU time. */
  readonly rate: number;
  /** Messages per second that has passed. */
  readonly perSecond: number;
  /** Microseconds. */
  readonly p50: number;
  readonly p99: number;
  /** CPU time as a part of the time that has passed. 1 is a saturated core. */
  readonly serverCpu: number;
  readonly loadCpu: number;
}

/** The samples of each contender, by its name; those with the same index were taken in the same round. */
type Samples = ReadonlyMap<string, readonly Sample[]>;

/** CPU seconds that a server runs before it is measured, where the scenario does not say. */
const WARM_UP = 2;

/** Slices after which the warm-up is over in any case, on a machine that leaves the server little CPU. */
const WARM_UP_SLICES = 40;

export function rates(scenario: Scenario): Measurement {
  return {
    name: scenario.name,
    measure: async (machine, options) => outcome(scenario, await takeSamples(scenario, machine, options)),
  };
}

/** What is compared. */
function rateOf({ per = 'CPU second' }: Scenario): 'rate' | 'perSecond' {
  return per === 'second' ? 'perSecond' : 'rate';
}

function outcome(scenario: Scenario, samples: Samples): Outcome {
  const { name, title, unit, reference, budgets } = scenario;
  const rate = rateOf(scenario);
  return {
    title: `${title}: ${unit} per second${rate === 'rate' ? ' of server CPU' : ''}`,
    figures: Object.fromEntries(
      [...samples].map(([contender, list]) => [
        contender,
        figures(list, rate, ratios(samples, rate, contender, reference)),
      ]),
    ),
    verdicts: budgets.map(({ contender, against, atLeast }): Verdict => {
      const measured = ratios(samples, rate, contender, against);
      return {
        what: `${name}: ${contender} against ${against}${rate === 'rate' ? '' : ', per second'}`,
        measured: median(measured),
        spread: spread(measured),
        limit: atLeast,
        kind: 'at least',
        unit: '×',
      };
    }),
  };
}

function figures(samples: readonly Sample[], rate: 'rate' | 'perSecond', ratio: readonly number[]): Figures {
  const of = (key: keyof Sample) => median(samples.map((sample) => sample[key]));
  return {
    [rate]: of(rate),
    ratio: median(ratio),
    spread: spread(ratio),
    p50: of('p50'),
    p99: of('p99'),
    serverCpu: of('serverCpu'),
    loadCpu: of('loadCpu'),
  };
}

async function takeSamples(scenario: Scenario, machine: Machine, options: Options): Promise<Samples> {
  const seconds = options.seconds * (scenario.stretch ?? 1);
  // Where time that passes is what counts, the server is to have all cores.
  const arena = rateOf(scenario) === 'rate' ? machine : { ...machine, cores: undefined };
  const contenders = scenario.contenders.filter(({ runtime }) => runtime !== 'bun' || machine.hasBun);
  const samples = new Map(contenders.map(({ name }) => [name, [] as Sample[]]));
  for (let generation = 0; generation < options.generations; generation++) {
    const arenas: Arena[] = [];
    try {
      for (const contender of contenders) arenas.push(await Arena.open(contender, arena));
      for (const arena of arenas) await arena.warmUp(scenario.warmUp ?? WARM_UP, seconds);
      for (let round = 0; round < options.rounds; round++) {
        // There and back, so that whatever changes slowly weighs on all alike.
        for (const arena of round % 2 === 0 ? arenas : arenas.toReversed()) {
          samples.get(arena.name)?.push(await arena.sample(seconds));
        }
      }
    } finally {
      await Promise.all(arenas.map((arena) => arena.close()));
    }
  }
  return samples;
}

/** The ratio of the two rates in each round. */
function ratios(samples: Samples, rate: 'rate' | 'perSecond', contender: string, against: string): number[] {
  const others = samples.get(against) ?? [];
  return (samples.get(contender) ?? []).map((sample, round) => sample[rate] / (others[round]?.[rate] ?? Number.NaN));
}

/** A server and the load on it. */
class Arena {
  private constructor(
    readonly name: string,
    private readonly server: ServerProcess,
    private readonly load: LoadProcess,
  ) {}

  static async open({ name, peer, runtime, load }: Contender, machine: Machine): Promise<Arena> {
    const server = await ServerProcess.start(machine, peer, runtime);
    try {
      return new Arena(name, server, await LoadProcess.start(machine, server.port, load));
    } catch (error) {
      await server.stop();
      throw error;
    }
  }

  /**
   * @param cpu seconds of the server's CPU time
   * @param seconds the length of a slice
   */
  async warmUp(cpu: number, seconds: number): Promise<void> {
    const enough = (await this.server.ask('cpu')) + cpu * 1e6;
    for (let slice = 0; slice < WARM_UP_SLICES; slice++) {
      await this.load.run(seconds);
      if ((await this.server.ask('cpu')) >= enough) return;
    }
  }

  async sample(seconds: number): Promise<Sample> {
    const before = await this.server.ask('cpu');
    const result = await this.load.run(seconds);
    const cpu = ((await this.server.ask('cpu')) - before) / 1e6;
    return {
      rate: result.messages / cpu,
      perSecond: result.messages / result.seconds,
      p50: result.p50,
      p99: result.p99,
      serverCpu: cpu / result.seconds,
      loadCpu: result.cpu / result.seconds,
    };
  }

  async close(): Promise<void> {
    await Promise.all([this.server.stop(), this.load.stop()]);
  }
}
