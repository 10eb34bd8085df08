import type { ClosedHow, TestClient } from '@reagent/testing';

/** Waits for the server to close and closes too, as most clients do: a `TestClient` alone stays half-open. */
export async function leave(client: TestClient | undefined): Promise<ClosedHow | undefined> {
  const how = await client?.closed({ timeout: 4_000 });
  client?.destroy();
  return how;
}
