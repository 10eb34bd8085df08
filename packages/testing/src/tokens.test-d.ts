// An abstract class, or one with a private constructor, is a token as any other.

import { createTestApp } from './create-test-app.js';

abstract class Clock {
  abstract now(): number;
}

class Database {
  private constructor(readonly path: string) {}

  static open() {
    return new Database('');
  }
}

declare class AppModule {}

export const builder = createTestApp(AppModule)
  .override(Clock)
  .useValue({ now: () => 0 });
export const other = createTestApp(AppModule)
  .override(Database)
  .useFactory(() => Database.open());
const clock = createTestApp(AppModule).override(Clock);
// @ts-expect-error a clock gives a number
clock.useValue({ now: () => 'noon' });
export async function use() {
  const app = await builder.start();
  const now: number = app.resolve(Clock).now();
  return now;
}
