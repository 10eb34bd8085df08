// What the command line and the environment say.

import { parseArgs } from 'node:util';

export interface Options {
  readonly help: boolean;
  /**
   * The push server's port; the next ones are the pull server's, the stateful server's and the one with TLS, if there is one. 0: the
   * system picks all of them.
   */
  readonly port: number;
  /** Undefined: all interfaces. */
  readonly host: string | undefined;
  /** Whether there is a server with TLS. */
  readonly tls: boolean;
  /** How many processes serve; undefined: this one. */
  readonly workers: number | 'auto' | undefined;
  /** Where metrics, health and the live page are served; undefined: nowhere. */
  readonly ops: number | undefined;
}

export const usage = `Usage: pnpm start [options]

Starts three echo servers, on PORT (push), PORT + 1 (pull) and PORT + 2 (stateful).

  -p, --port PORT   the first port, 0 for any free ones (default: $PORT, else 8080)
      --host HOST   the address to listen on (default: all interfaces)
      --tls         a fourth one with TLS on PORT + 3, with a certificate that is made for this run
  -w, --workers N   serve with N worker processes, 'auto' for one a core (default: with this process)
      --ops PORT    metrics, health and a live page on that port of this machine, for a browser
  -h, --help        this text
`;

const defaultPort = 8080;
const highestPort = 65_535;

/** A command line that cannot be followed. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** @throws UsageError */
export function readOptions(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): Options {
  const { help = false, port, host, tls = false, workers, ops } = parse(args);
  const highest = highestPort - (tls ? 3 : 2);
  return {
    help,
    port: readPort('--port', port, highest) ?? readPort('PORT', environment.PORT, highest) ?? defaultPort,
    host,
    tls,
    workers: readWorkers(workers),
    ops: readPort('--ops', ops, highestPort),
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        port: { type: 'string', short: 'p' },
        host: { type: 'string' },
        tls: { type: 'boolean' },
        workers: { type: 'string', short: 'w' },
        ops: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values;
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

function readPort(source: string, text: string | undefined, highest: number): number | undefined {
  if (text === undefined || (text === '' && source === 'PORT')) return undefined;
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (port >= 0 && port <= highest) return port;
  throw new UsageError(`${source} must be a whole number from 0 to ${highest}, got ${JSON.stringify(text)}`);
}

function readWorkers(text: string | undefined): number | 'auto' | undefined {
  if (text === undefined || text === 'auto') return text;
  if (/^[1-9]\d{0,2}$/.test(text)) return Number(text);
  throw new UsageError(`--workers must be a whole number from 1 to 999, or 'auto', got ${JSON.stringify(text)}`);
}
