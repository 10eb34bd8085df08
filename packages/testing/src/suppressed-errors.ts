/** An error as vitest keeps it for its report: a plain object. */
interface ReportedError {
  readonly name?: string;
  readonly error?: ReportedError;
  readonly suppressed?: ReportedError;
}

/**
 * Where a test has failed and its application then leaves something over, `await using` makes one SuppressedError of both, of which
 * vitest shows neither message. After this, it shows them one after the other, the test's own first. Other runners show them anyway.
 */
export async function haveVitestShowSuppressed(): Promise<void> {
  if (process.env.VITEST === undefined) return;
  try {
    const { onTestFailed } = await import('vitest');
    onTestFailed(({ task }) => {
      const errors = task.result?.errors as ReportedError[] | undefined;
      errors?.splice(0, errors.length, ...errors.flatMap(inOrder));
    });
  } catch {
    // In a process that is only a child of vitest's, or outside of a test: there is nothing to be shown better.
  }
}

function inOrder(error: ReportedError): ReportedError[] {
  const { error: later, suppressed: earlier } = error;
  if (error.name !== 'SuppressedError' || later === undefined || earlier === undefined) return [error];
  return [...inOrder(earlier), ...inOrder(later)];
}
