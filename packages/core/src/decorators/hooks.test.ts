import { describe, expect, test, vi } from 'vitest';
import type { Connection } from '../connection/connection.js';
import { type HookName, hookProblems, hooksOf } from './hooks.js';
import type { Constructor } from './metadata.js';
import { OnAccept } from './on-accept.js';
import { OnClose } from './on-close.js';
import { OnConnection } from './on-connection.js';
import { OnData } from './on-data.js';
import { OnError } from './on-error.js';
import { OnShutdown } from './on-shutdown.js';
import { OnTimeout } from './on-timeout.js';

class Everything {
  @OnAccept() admit() {}
  @OnConnection() hello() {}
  @OnData() echo(_conn: Connection, _data: Buffer) {}
  @OnTimeout() late() {}
  @OnError() failed() {}
  @OnShutdown() leave() {}
  @OnClose() bye() {}
}

/** The hook's decorator with its type out of the way, as code that is not type-checked can use it. */
function untyped(decorator: unknown): MethodDecorator & PropertyDecorator {
  return decorator as MethodDecorator & PropertyDecorator;
}

describe('hooksOf', () => {
  test('finds the method of each decorator', () => {
    const { className, acceptIsStatic, ...hooks } = hooksOf(Everything);
    expect({ className, acceptIsStatic }).toEqual({ className: 'Everything', acceptIsStatic: false });
    const { admit, hello, echo, late, failed, leave, bye } = Everything.prototype;
    expect(hooks).toEqual({
      accept: admit,
      connection: hello,
      data: echo,
      timeout: late,
      error: failed,
      shutdown: leave,
      close: bye,
    } satisfies Record<HookName, unknown>);
  });

  test('has undefined for what there is none of', () => {
    class Few {
      @OnData() echo() {}
    }
    const { data, ...others } = hooksOf(Few);
    expect(data).toBe(Few.prototype.echo);
    expect(Object.values({ ...others, className: undefined, acceptIsStatic: undefined })).toEqual(
      Array(8).fill(undefined),
    );
  });

  test('finds a static @OnAccept and says so', () => {
    class Static {
      @OnAccept() static admit() {}
      @OnData() echo() {}
    }
    expect(hooksOf(Static)).toMatchObject({ accept: Static.admit, acceptIsStatic: true });
    class Derived extends Static {}
    expect(hooksOf(Derived)).toMatchObject({ accept: Static.admit, acceptIsStatic: true });
  });

  test('finds methods named by a symbol, and several hooks on one method', () => {
    const key = Symbol('echo');
    class Unusual {
      @OnData()
      @OnConnection()
      [key]() {}
    }
    expect(hooksOf(Unusual)).toMatchObject({ data: Unusual.prototype[key], connection: Unusual.prototype[key] });
  });

  test('an inherited hook is a hook', () => {
    class Derived extends Everything {}
    expect(hooksOf(Derived)).toMatchObject({ className: 'Derived', data: Everything.prototype.echo });
  });

  test('an override is used, with or without a decorator', () => {
    class Plain extends Everything {
      override echo() {}
    }
    class Decorated extends Everything {
      @OnData() override echo() {}
    }
    expect(hooksOf(Plain).data).toBe(Plain.prototype.echo);
    expect(hooksOf(Decorated).data).toBe(Decorated.prototype.echo);
    expect(hookProblems(Decorated)).toEqual([]);
  });

  test('a hook on another method of a derived class replaces the inherited one', () => {
    class Derived extends Everything {
      @OnData() shout() {}
    }
    expect(hooksOf(Derived).data).toBe(Derived.prototype.shout);
    expect(hooksOf(Derived).close).toBe(Everything.prototype.bye);
    expect(hookProblems(Derived)).toEqual([]);
  });

  test('a derived class leaves the hooks of the class it extends alone', () => {
    class Derived extends Everything {
      @OnData() shout() {}
    }
    expect(hooksOf(Derived).data).not.toBe(hooksOf(Everything).data);
    expect(hooksOf(Everything).data).toBe(Everything.prototype.echo);
  });

  test('a method of the derived class that has the name of a static hook is not it', () => {
    class Base {
      @OnAccept() static admit() {}
      @OnData() echo() {}
    }
    class Derived extends Base {
      admit() {}
    }
    expect(hooksOf(Derived).accept).toBe(Base.admit);
  });

  test('gives the same object again, until a method is replaced', () => {
    class Spied {
      @OnData() echo() {}
    }
    const before = hooksOf(Spied);
    expect(hooksOf(Spied)).toBe(before);
    const spy = vi.spyOn(Spied.prototype, 'echo');
    expect(hooksOf(Spied).data).toBe(spy);
    spy.mockRestore();
    expect(hooksOf(Spied).data).toBe(before.data);
  });

  test('does not run a getter', () => {
    class WithGetter {
      @untyped(OnData())
      get echo(): never {
        throw new Error('was run');
      }
    }
    expect(hooksOf(WithGetter).data).toBeUndefined();
  });
});

describe('hookProblems', () => {
  test('has nothing to say about a class in order', () => {
    expect(hookProblems(Everything)).toEqual([]);
  });

  test('names both methods that are given the same hook', () => {
    class Twice {
      @OnData() first() {}
      @OnData() second() {}
    }
    expect(hookProblems(Twice)).toEqual([
      '@OnData is given 2 times, on Twice.first and Twice.second; keep one and call the rest from it',
    ]);
    class Derived extends Twice {}
    expect(hookProblems(Derived)).toHaveLength(1);
  });

  test('counts a static and an instance @OnAccept as the same hook', () => {
    class Both {
      @OnAccept() admit() {}
      @OnAccept() static admitStatic() {}
      @OnData() echo() {}
    }
    expect(hookProblems(Both)[0]).toContain('@OnAccept is given 2 times, on Both.admit and Both.admitStatic');
  });

  test('refuses a static method other than @OnAccept', () => {
    class Static {
      @untyped(OnData()) static echo() {}
      @OnClose() bye() {}
    }
    expect(hookProblems(Static)[0]).toBe(
      '@OnData is on the static method Static.echo, and only @OnAccept may be static; make it an instance method',
    );
  });

  test.each([
    ['a generator', function* () {}],
    ['an async generator', async function* () {}],
  ])('refuses %s, which would never run', (_, generator) => {
    class Generator {
      echo() {}
    }
    Object.defineProperty(Generator.prototype, 'echo', { value: generator });
    untyped(OnData())(Generator.prototype, 'echo', {});
    expect(hookProblems(Generator)[0]).toMatch(/@OnData is on the generator Generator\.echo, .*remove the \*/);
  });

  test('refuses an override that is a generator', () => {
    class Derived extends Everything {}
    Object.defineProperty(Derived.prototype, 'hello', { value: async function* () {} });
    expect(hookProblems(Derived)[0]).toContain('@OnConnection is on the generator');
  });

  test('refuses what is no method', () => {
    class Property {
      @untyped(OnData()) echo = () => {};
    }
    expect(hookProblems(Property)[0]).toBe(
      '@OnData is on Property.echo, which is no method of Property; put it on a method',
    );
  });

  test('refuses a class that could do nothing', () => {
    class Idle {
      @OnAccept() admit() {}
      @OnClose() bye() {}
    }
    expect(hookProblems(Idle)).toEqual([
      'Idle has no hook that could do anything; put @OnData() (or @OnConnection()) on a method, parentheses included',
    ]);
    class Pull {
      @OnConnection() handle() {}
    }
    expect(hookProblems(Pull)).toEqual([]);
  });

  test('refuses an instance @OnAccept where each connection has its own instance, and only there', () => {
    expect(hookProblems(Everything, 'connection')).toEqual([
      "@OnAccept is on the instance method Everything.admit, but with scope 'connection' no instance of Everything exists yet when it is called; make it static",
    ]);
    class Static extends Everything {
      @OnAccept() static admitStatic() {}
    }
    expect(hookProblems(Static, 'connection')).toEqual([]);
    expect(hookProblems(Static, 'singleton')).toEqual([]);
  });

  test('reports everything at once', () => {
    class Wrong {
      @OnClose() a() {}
      @OnClose() b() {}
      @untyped(OnError()) static c() {}
    }
    expect(hookProblems(Wrong)).toHaveLength(3);
  });

  test('has a name for a class without one', () => {
    const anonymous: Constructor = (() => class {})();
    expect(hookProblems(anonymous)[0]).toContain('(anonymous class) has no hook');
  });
});
