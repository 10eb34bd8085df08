import { describe, expect, it, vi } from 'vitest';
import { type Logger, stderrLogger } from '../telemetry/logger.js';
import { workerLogger } from './worker-logger.js';

describe('the logger of a worker', () => {
  it('puts the number of the worker into each line, however it is called', () => {
    const lines: string[] = [];
    const logger = workerLogger(stderrLogger({ level: 'trace', stream: { write: (line) => lines.push(line) } }), 3);
    logger.info('up');
    logger.warn({ listener: 'Echo' }, 'full');
    logger.error(new Error('broken'));
    logger.fatal({ worker: 'another' });
    expect(lines.map((line) => line.slice(25).split('\n')[0])).toEqual([
      'INFO  up worker=3',
      'WARN  full worker=3 listener=Echo',
      'ERROR broken worker=3 err=broken',
      'FATAL worker=another',
    ]);
  });

  it('is a child of one that can have children, as pino has', () => {
    const child = {} as Logger;
    const parent = { child: vi.fn(() => child) } as unknown as Logger;
    expect(workerLogger(parent, 2)).toBe(child);
    expect((parent as unknown as { child: unknown }).child).toHaveBeenCalledWith({ worker: 2 });
  });
});
