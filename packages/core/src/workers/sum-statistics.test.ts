import { describe, expect, it } from 'vitest';
import { Counters, type ListenerStatistics } from '../telemetry/statistics.js';
import { lastCounts, sumStatistics } from './sum-statistics.js';

function figures(status: ListenerStatistics['status'], count: number): ListenerStatistics {
  const { rejected, closed, tls } = new Counters();
  return {
    name: 'Echo',
    status,
    address: '::',
    port: 8080,
    acceptors: { size: 100, busy: count, waiting: count },
    connections: {
      active: count,
      waiting: count,
      accepted: count,
      rejected: { ...rejected, client: count },
      closed: { ...closed, reset: count },
    },
    bytes: { in: count, out: count },
    messages: { in: count, out: count },
    tls: { ...tls, handshakes: count, failed: { ...tls.failed, alpn: count } },
    handlerErrors: count,
  };
}

describe('the figures of workers', () => {
  it('are added up, however deep they lie, but for what names the listener', () => {
    const sum = sumStatistics([figures('listening', 1), figures('listening', 2), figures('listening', 4)]);
    expect(sum).toEqual({ ...figures('listening', 7), acceptors: { size: 300, busy: 7, waiting: 7 } });
  });

  it.each([
    ['listening', ['stopped', 'draining', 'listening']],
    ['suspended', ['draining', 'suspended']],
    ['draining', ['draining', 'stopped']],
    ['starting', ['starting', 'suspended']],
  ] as const)('are those of a listener that is %s if they are %j', (status, all) => {
    const [first, ...others] = all.map((one) => figures(one, 1));
    expect(first && sumStatistics([first, ...others]).status).toBe(status);
  });

  it('of one that has ended are its counts, and nothing of what was open', () => {
    const last = lastCounts(figures('draining', 3));
    expect(last).toMatchObject({
      status: 'stopped',
      acceptors: { size: 0, busy: 0, waiting: 0 },
      connections: { active: 0, waiting: 0, accepted: 3, rejected: { client: 3 }, closed: { reset: 3 } },
      bytes: { in: 3, out: 3 },
      tls: { handshakes: 3 },
      handlerErrors: 3,
    });
  });
});
