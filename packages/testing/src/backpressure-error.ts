/** The application sends a client more than it takes, and does not wait for it. */
export class BackpressureError extends Error {
  override readonly name = 'BackpressureError';
  readonly code = 'ERR_REAGENT_TEST_BACKPRESSURE';
}
