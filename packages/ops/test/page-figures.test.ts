// What the page makes of the figures, without a browser.

import { describe, expect, it } from 'vitest';
import { formatByteRate, formatBytes, formatCount, formatDelay, formatDuration, formatRate } from '../page/format.js';
import { Timeline } from '../page/history.js';
import type { ListenerSample, OperationsReport, Sample } from '../src/index.js';

const start = 1_800_000_000_000;

function listener(figures: Partial<ListenerSample>): ListenerSample {
  return {
    active: 0,
    waiting: 0,
    busy: 0,
    accepted: 0,
    rejected: {},
    bytesIn: 0,
    bytesOut: 0,
    messagesIn: 0,
    messagesOut: 0,
    handlerErrors: 0,
    handshakesFailed: 0,
    ...figures,
  };
}

/** @param seconds after the start */
function sample(seconds: number, listeners: Record<string, Partial<ListenerSample>>, cpuSeconds = 0): Sample {
  return {
    time: start + seconds * 1_000,
    listeners: Object.fromEntries(Object.entries(listeners).map(([name, figures]) => [name, listener(figures)])),
    eventLoopDelay: { p50: 1, p99: 2, max: 3 },
    cpuSeconds,
    residentBytes: 0,
  };
}

function report(samples: Sample[], started = start): OperationsReport {
  return { time: samples.at(-1)?.time ?? 0, process: { started }, samples } as unknown as OperationsReport;
}

describe('the points of the charts', () => {
  it('have rates from one sample to the next, and none at the first', () => {
    const timeline = new Timeline();
    timeline.add(
      report([
        sample(0, { Echo: { accepted: 10, messagesIn: 5, bytesOut: 100 } }, 1),
        sample(2, { Echo: { accepted: 30, messagesIn: 6, bytesOut: 400, active: 7 } }, 2),
      ]),
    );
    expect(timeline.points(undefined)).toMatchObject([
      { accepted: undefined, rejected: undefined, cpu: undefined, delayHigh: 2 },
      { accepted: 10, messagesIn: 0.5, bytesOut: 150, active: 7, rejected: 0, cpu: 0.5 },
    ]);
  });

  it('add up all listeners, or look at one', () => {
    const timeline = new Timeline();
    timeline.add(
      report([
        sample(0, { Echo: {}, Chat: {} }),
        sample(1, { Echo: { active: 1, accepted: 1 }, Chat: { active: 2, accepted: 2 } }),
      ]),
    );
    expect(timeline.points(undefined)[1]).toMatchObject({ active: 3, accepted: 3 });
    expect(timeline.points('Chat')[1]).toMatchObject({ active: 2, accepted: 2 });
  });

  it('count a listener that was not there before from zero', () => {
    const timeline = new Timeline();
    timeline.add(report([sample(0, {}), sample(1, { Echo: { accepted: 4 } })]));
    expect(timeline.points(undefined)[1]).toMatchObject({ accepted: 4 });
  });

  it('have no rates across a restart, which they mark', () => {
    const timeline = new Timeline();
    timeline.add(report([sample(0, { Echo: { accepted: 100 } }), sample(1, { Echo: { accepted: 110 } })]));
    timeline.add(report([sample(4, { Echo: { accepted: 3 } }), sample(5, { Echo: { accepted: 5 } })], start + 3_000));
    expect(timeline.points(undefined)).toMatchObject([
      { restarted: false },
      { accepted: 10, restarted: false },
      { accepted: undefined, restarted: true },
      { accepted: 2, restarted: false },
    ]);
  });

  it('have no rates across a gap', () => {
    const timeline = new Timeline();
    timeline.add(report([sample(0, { Echo: { accepted: 0 } }), sample(60, { Echo: { accepted: 600 } })]));
    expect(timeline.points(undefined)[1]?.accepted).toBeUndefined();
  });

  it('never fall below zero, as when a listener has been replaced by one of the same name', () => {
    const timeline = new Timeline();
    timeline.add(report([sample(0, { Echo: { accepted: 100 } }), sample(1, { Echo: { accepted: 1 } })]));
    expect(timeline.points(undefined)[1]?.accepted).toBe(0);
  });

  it('take no sample twice, and forget those that are too old', () => {
    const timeline = new Timeline();
    const first = sample(0, {});
    timeline.add(report([first]));
    timeline.add(report([first, sample(1, {})]));
    expect(timeline.points(undefined)).toHaveLength(2);
    timeline.add(report([sample(400, {})]));
    expect(timeline.points(undefined)).toHaveLength(1);
  });

  it('begin anew when the clock of the server is set back', () => {
    const timeline = new Timeline();
    timeline.add(report([sample(3_600, {})]));
    timeline.add({ ...report([]), time: start });
    timeline.add(report([sample(1, {})]));
    expect(timeline.points(undefined).map(({ time }) => time)).toEqual([start + 1_000]);
  });
});

describe('what has happened in the last minutes', () => {
  it('is counted by reason, restarts left out', () => {
    const timeline = new Timeline();
    const wait = ({ rejected }: ListenerSample) => rejected.wait ?? 0;
    timeline.add(
      report([
        sample(0, { Echo: { rejected: { wait: 50 } } }),
        sample(1, { Echo: { rejected: { wait: 52, accept: 1 } } }),
      ]),
    );
    timeline.add(report([sample(5, { Echo: {} }), sample(6, { Echo: { rejected: { wait: 3 } } })], start + 4_000));
    expect(timeline.more(undefined, wait)).toBe(5);
    expect(timeline.more('Echo', ({ rejected }) => rejected.accept ?? 0)).toBe(1);
    expect(timeline.more('Other', wait)).toBe(0);
  });

  it('has rates over some seconds, so that they can be read', () => {
    const timeline = new Timeline();
    timeline.add(
      report([0, 1, 2, 3, 4, 5, 6].map((second) => sample(second, { Echo: { accepted: second === 6 ? 10 : 0 } }))),
    );
    expect(timeline.lately(undefined)?.accepted).toBe(2);
    expect(new Timeline().lately(undefined)).toBeUndefined();
  });
});

describe('figures as text', () => {
  it.each([
    [formatCount(99_999), '99,999'],
    [formatCount(1_234_567), '1.2M'],
    [formatRate(0), '0/s'],
    [formatRate(0.02), '0.1/s'],
    [formatRate(3.14), '3.1/s'],
    [formatRate(1_234.5), '1,235/s'],
    [formatRate(45_678), '45.7K/s'],
    [formatBytes(0), '0 B'],
    [formatBytes(999), '999 B'],
    [formatBytes(999.9), '1 kB'],
    [formatBytes(12_345_678), '12.3 MB'],
    [formatByteRate(123_456), '123 kB/s'],
    [formatDelay(0.34), '0.3 ms'],
    [formatDelay(48.2), '48 ms'],
    [formatDelay(1_250), '1.3 s'],
    [formatDuration(42_900), '42 s'],
    [formatDuration(192_000), '3 min 12 s'],
    [formatDuration(3_600_000 * 25.5), '1 d 1 h'],
    [formatDuration(3_600_000 * 2.5), '2 h 30 min'],
  ])('%s', (text, expected) => {
    expect(text).toBe(expected);
  });
});
