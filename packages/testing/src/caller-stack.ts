/** A line of a stack that is this package's own, and not the test's. */
const OWN_FRAME = /[\\/](@reagent|packages)[\\/]testing[\\/](src|dist)[\\/](?!.*\.test\.ts)/;

/** Gives an error the stack of whoever has called this package, as far as it is the caller's own. */
export function thrownFrom<E extends Error>(caller: Error, error: E): E {
  const frames = (caller.stack ?? '').split('\n').filter((line) => /^ +at /.test(line) && !OWN_FRAME.test(line));
  error.stack = [`${error.name}: ${error.message}`, ...frames].join('\n');
  return error;
}
