/** How many lines of a message are shown, and how many of the stack below it. */
const MESSAGE_LINES = 12;
const STACK_LINES = 4;

const FRAME = /^ +at /;

/** Lines of a stack that lead nobody anywhere: inside of Node.js, of the framework, and of this package's own watch. */
const INSIDE =
  /\bnode:|<anonymous>\)|[\\/](@reagent|packages)[\\/]core[\\/](src|dist)[\\/]|[\\/](application-watch|running-timers|send-limit)\.[jt]s:/;

/** An error's message and the lines of its stack that are the user's. */
export function shownStack({ message, stack = message }: Error): string {
  const lines = stack.split('\n');
  const words = lines.filter((line) => !FRAME.test(line));
  return [...words.slice(0, MESSAGE_LINES), ...framesOf(lines)].join('\n');
}

/** The lines of a stack that are the user's, without the message. */
export function shownFrames({ stack = '' }: Error): string {
  return framesOf(stack.split('\n')).join('\n');
}

/** Where there are none of the user's, those that there are. */
function framesOf(lines: readonly string[]): string[] {
  const frames = lines.filter((line) => FRAME.test(line));
  const own = frames.filter((line) => !INSIDE.test(line));
  return (own.length > 0 ? own : frames).slice(0, STACK_LINES);
}
