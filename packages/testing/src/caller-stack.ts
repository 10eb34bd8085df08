/** A line of a stack that is this package's own, and not the test's. */
const OWN_FRAME = /[\\/](@reagent|packages)[\\/]testing[\\/](src|dist)[\\/](?!.*\.test\.ts)/;

/** The lines of a stack that are the caller's own. */
function callerFrames({ stack = '' }: Error): string[] {
  return stack.split('\n').filter((line) => /^ +at /.test(line) && !OWN_FRAME.test(line));
}

/** The line from which this package was called; empty where the stack has none. */
export function callerLine(caller: Error): string {
  return (callerFrames(caller)[0] ?? '').trim();
}

/** Gives an error the stack of whoever has called this package, as far as it is the caller's own. */
export function thrownFrom<E extends Error>(caller: Error, error: E): E {
  error.stack = [`${error.name}: ${error.message}`, ...callerFrames(caller)].join('\n');
  return error;
}
