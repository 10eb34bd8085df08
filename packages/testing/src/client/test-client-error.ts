import { bytesInWords, excerpt } from './excerpt.js';

/** What a failed wait of a `TestClient` knows. */
export interface TestClientFailure {
  /** Completes the sentence "expected ...". */
  readonly expected: string;
  /** Completes the sentence "but ...". */
  readonly problem: string;
  /** What had arrived and was not taken. */
  readonly pending: Buffer;
  /** How many bytes had arrived in all, with those that earlier calls took. */
  readonly receivedBytes: number;
  /** The byte of `pending` that was not as expected. */
  readonly mismatchAt?: number;
  /** Where in `pending` what was expected is all the same. */
  readonly laterAt?: number;
  readonly connection: string;
  /** The last lines of what went over the connection. */
  readonly transcript: readonly string[];
  readonly serverErrors: readonly string[];
  readonly cause?: unknown;
}

/** An expectation of a test on its connection that did not come true; the message shows what did arrive. */
export class TestClientError extends Error {
  override readonly name = 'TestClientError';
  readonly code = 'ERR_REAGENT_TEST_CLIENT';
  /** What had arrived and was not taken by an earlier call. */
  readonly pending: Buffer;

  constructor(failure: TestClientFailure) {
    super(message(failure), failure.cause === undefined ? undefined : { cause: failure.cause });
    this.pending = Buffer.from(failure.pending);
  }
}

function message(failure: TestClientFailure): string {
  const { pending, receivedBytes, mismatchAt, laterAt } = failure;
  const where = mismatchAt === undefined ? '' : ` at byte ${mismatchAt}`;
  const taken = receivedBytes > pending.length ? ` (${bytesInWords(receivedBytes)} in all)` : '';
  const later = laterAt === undefined ? '' : `; what was expected came after it, at byte ${laterAt}`;
  const lines = [`expected ${failure.expected}, but ${failure.problem}${where}${later}`];
  if (pending.length === 0) {
    lines.push(`  arrived: nothing${taken}`);
  } else {
    lines.push(`  arrived: ${bytesInWords(pending.length)}${taken}`);
    lines.push(...excerpt(pending, mismatchAt).map((line) => `    ${line}`));
  }
  lines.push(`  connection: ${failure.connection}`);
  if (failure.transcript.length > 0) {
    lines.push('  transcript:', ...failure.transcript.map((line) => `    ${line}`));
  }
  if (failure.serverErrors.length > 0) {
    lines.push('  the server logged:', ...failure.serverErrors.map((line) => `    ${line.replaceAll('\n', '\n    ')}`));
  }
  return lines.join('\n');
}
