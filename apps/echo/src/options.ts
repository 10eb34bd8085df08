// What the command line and the environment say.

import { parseArgs } from 'node:util';

export interface Options {
  readonly help: boolean;
  /** The push server's port; the pull server's is the next one, the stateful server's the one after. 0: the system picks all three. */
  readonly port: number;
  /** Undefined: all interfaces. */
  readonly host: string | undefined;
}

export const usage = `Usage: pnpm start [options]

Starts three echo servers, on PORT (push), PORT + 1 (pull) and PORT + 2 (stateful).

  -p, --port PORT   the first port, 0 for any free ones (default: $PORT, else 8080)
      --host HOST   the address to listen on (default: all interfaces)
  -h, --help        this text
`;

const defaultPort = 8080;
const highestPort = 65_535 - 2;

/** A command line that cannot be followed. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** @throws UsageError */
export function readOptions(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): Options {
  const values = parse(args);
  return {
    help: values.help ?? false,
    port: readPort('--port', values.port) ?? readPort('PORT', environment.PORT) ?? defaultPort,
    host: values.host,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        port: { type: 'string', short: 'p' },
        host: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values;
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

function readPort(source: string, text: string | undefined): number | undefined {
  if (text === undefined || (text === '' && source === 'PORT')) return undefined;
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (port >= 0 && port <= highestPort) return port;
  throw new UsageError(`${source} must be a whole number from 0 to ${highestPort}, got ${JSON.stringify(text)}`);
}
