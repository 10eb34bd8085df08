import type { DescriptorInput } from './descriptor.js';

/** Where to listen, each way with the field that only makes sense with it. */
const places = { port: 'host', path: 'mode', fd: undefined } as const satisfies Record<
  string,
  keyof DescriptorInput | undefined
>;

/**
 * One descriptor of two: what `over` says, and for the rest what `base` says. `options`, `timeouts` and `env` are merged field by field; all
 * others are replaced as a whole, `secure` and `proxyProtocol` too: half of one certificate and half of another would be none.
 *
 * A `port`, `path` or `fd` in `over` replaces whichever of them `base` has. A field that is `undefined` counts as left out.
 */
export function mergeDescriptors(base: DescriptorInput, over: DescriptorInput): DescriptorInput {
  // Neither is checked yet: what is no descriptor at all has to get through to `checkDescriptor` as it is.
  for (const input of [base, over]) if (!isObject(input) || input instanceof Promise) return input;
  const merged = layer(base, over);
  if (Object.keys(places).some((place) => given(over, place))) {
    for (const [place, detail] of Object.entries(places)) {
      if (given(over, place)) continue;
      if (given(base, place) && detail !== undefined && !given(over, detail)) delete merged[detail];
      delete merged[place];
    }
  }
  for (const group of ['options', 'timeouts', 'env'] as const) {
    if (isObject(base[group]) && isObject(over[group])) merged[group] = layer(base[group], over[group]);
  }
  return merged as DescriptorInput;
}

function layer(base: object, over: object): Record<string, unknown> {
  const merged = { ...base } as Record<PropertyKey, unknown>;
  for (const key of Reflect.ownKeys(over)) {
    const value = over[key as keyof typeof over];
    if (value !== undefined) merged[key] = value;
  }
  return merged;
}

function given(descriptor: object, field: string): boolean {
  return descriptor[field as keyof typeof descriptor] !== undefined;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
