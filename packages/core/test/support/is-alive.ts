import { readFileSync } from 'node:fs';

/** Whether there is such a process, and it has not ended. */
export function isAlive(pid: number): boolean {
  try {
    // Behind the command's name, which is in parentheses: the state. Z is a process that has ended, and that nobody has asked about yet.
    return readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1)?.[0] !== 'Z';
  } catch {
    return false;
  }
}
