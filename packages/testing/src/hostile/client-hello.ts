import { Duplex } from 'node:stream';
import { type ConnectionOptions, connect } from 'node:tls';

/**
 * The first bytes of a TLS client: the ClientHello that this Node.js sends, made anew each time.
 *
 * @param options as for `tls.connect`, such as `servername`, `ALPNProtocols` or `maxVersion`
 */
export async function clientHello(options: ConnectionOptions = {}): Promise<Buffer> {
  let take: (bytes: Buffer) => void = () => undefined;
  const taken = new Promise<Buffer>((resolve) => {
    take = resolve;
  });
  // A server that never answers, so the client gets no further than its first message.
  const silent = new Duplex({
    read() {},
    write(bytes: Buffer, _encoding, done) {
      take(Buffer.from(bytes));
      done();
    },
  });
  const client = connect({ ...options, socket: silent });
  try {
    return await taken;
  } finally {
    client.destroy();
    silent.destroy();
  }
}
