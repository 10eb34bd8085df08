// The kinds of listeners that clients come to, for tests of what has to hold at each of them.

import type { DescriptorInput } from '@reagent/core';
import { type Certificates, type ConnectOptions, certificates } from '@reagent/testing';

export const pki: Certificates = await certificates();

/** Where a client stands: it owes its PROXY header, its part of the handshake, or has a connection. */
export type Stage = 'header' | 'handshake' | 'connection';

export interface Front {
  readonly name: string;
  readonly descriptor: DescriptorInput;
  readonly isProxied: boolean;
  readonly isSecure: boolean;
  /** All that a client goes through here, in order. */
  readonly stages: readonly Stage[];
}

function front(name: string, isProxied: boolean, isSecure: boolean): Front {
  return {
    name,
    descriptor: { proxyProtocol: isProxied, secure: isSecure && pki.server },
    isProxied,
    isSecure,
    stages: [...(isProxied ? (['header'] as const) : []), ...(isSecure ? (['handshake'] as const) : []), 'connection'],
  };
}

export const plainFront: Front = front('plain', false, false);
export const secureFront: Front = front('TLS', false, true);
export const proxiedFront: Front = front('PROXY', true, false);
const bothFront = front('PROXY and TLS', true, true);

export const fronts: readonly Front[] = [plainFront, secureFront, proxiedFront, bothFront];

/** Each stage of each front. */
export const stages: readonly { readonly front: Front; readonly stage: Stage; readonly where: string }[] =
  fronts.flatMap((front) =>
    front.stages.map((stage) => ({ front, stage, where: `the ${stage} at a ${front.name} listener` })),
  );

/** How a client from this address comes as far as a stage. Without a stage it does not even begin. */
export function approach({ isProxied, isSecure }: Front, stage: Stage, address: string): ConnectOptions {
  return {
    localAddress: address,
    ...(isProxied && stage !== 'header' && { proxy: { source: { address, port: 50_000 } } }),
    secure: isSecure && stage === 'connection',
  };
}
