// Which name is meant by one that does not exist.

/**
 * The path whose last name is spelled most like that of `path`, if one is close enough to be meant. Of equals, one with the same parent
 * is meant.
 */
export function nearestPath(path: string, known: readonly string[]): string | undefined {
  const [parent, name] = split(path);
  const closeness = known.map((candidate) => {
    const [candidateParent, candidateName] = split(candidate);
    return { candidate, unlike: unlikeness(name, candidateName), elsewhere: candidateParent === parent ? 0 : 1 };
  });
  const [nearest] = closeness
    .filter(({ unlike }) => unlike <= Math.max(1, Math.floor(name.length / 4)))
    .sort((a, b) => a.unlike - b.unlike || a.elsewhere - b.elsewhere);
  return nearest?.candidate;
}

/** What to say of a name that does not exist: the one that was meant, or all there are. */
export function hintAt(name: string, known: readonly string[]): string {
  const nearest = nearestPath(name, known);
  return nearest === undefined ? `it has ${known.join(', ')}` : `did you mean ${nearest}?`;
}

/** The parents of a path and its last name, the latter without what is often written differently: case and separators. */
function split(path: string): [parent: string, name: string] {
  const end = path.lastIndexOf('.') + 1;
  const name = path.slice(end).toLowerCase();
  return [path.slice(0, end), name.replace(/[^a-z0-9]/g, '')];
}

function unlikeness(from: string, to: string): number {
  if (from === to) return 0;
  // Letters that changed places (prot), and a name that goes on (hostname), are one slip.
  if (sorted(from) === sorted(to)) return 1;
  const shorter = from.length < to.length ? from : to;
  if (shorter.length >= 4 && from.startsWith(shorter) && to.startsWith(shorter)) return 1;
  return distance(from, to);
}

function sorted(word: string): string {
  return [...word].sort().join('');
}

/** How many letters to insert, remove or replace to get from one word to the other (Levenshtein's distance). */
function distance(from: string, to: string): number {
  // Each row holds the distances between the first letters of `from` and every beginning of `to`.
  let row = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (const [index, letter] of [...from].entries()) {
    const next = [index + 1];
    for (const [column, other] of [...to].entries()) {
      const replaced = (row[column] ?? 0) + (letter === other ? 0 : 1);
      next.push(Math.min(replaced, (row[column + 1] ?? 0) + 1, (next[column] ?? 0) + 1));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}
