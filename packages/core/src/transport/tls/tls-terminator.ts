import type { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { createServer, type SecureContext, type Server, type TLSSocket } from 'node:tls';
import { ConfigurationError, type Problem, type TlsError } from '../../errors.js';
import { channels } from '../../telemetry/channels.js';
import type { Logger } from '../../telemetry/logger.js';
import { carrierOf, holderOf, passOn, returnInput, type SocketHolder } from '../held-socket.js';
import { CertificateFiles } from './certificate-files.js';
import { type Credentials, loadCredentials } from './credentials.js';
import { handshakeError, nameAskedFor } from './handshake-failure.js';
import type { TlsOptions } from './tls-options.js';

/** Who waits for a handshake, and holds the socket meanwhile. */
export interface HandshakeOwner extends SocketHolder {
  /** The handshake is done. `socket` has the connection from here on; what it carries is not read by anyone yet. */
  handshakeDone(socket: TLSSocket): void;
  /** The handshake has failed; the socket closes by itself, or has closed. */
  handshakeFailed(error: TlsError): void;
}

/** For node:tls to have no time limit of its own: whoever begins a handshake has one. */
const NONE = -1;

type ServerNameAnswer = (error: Error | null, context?: SecureContext) => void;

/** Who holds the socket under an encrypted one; `undefined` if that has closed and cannot be told any more. */
function ownerOf(socket: TLSSocket): HandshakeOwner | undefined {
  const carrier = carrierOf(socket);
  return carrier === undefined ? undefined : (holderOf(carrier) as HandshakeOwner);
}

/** Where TLS ends: does the server's side of handshakes, with certificates that can be replaced at any time. */
export class TlsTerminator {
  readonly #options: TlsOptions;
  readonly #where: string;
  readonly #server: Server;
  #credentials: Credentials;
  #files: CertificateFiles | undefined;

  private constructor(options: TlsOptions, where: string, credentials: Credentials) {
    this.#options = options;
    this.#where = where;
    this.#credentials = credentials;
    // It never listens: it is given sockets, and has all that goes with a handshake.
    this.#server = createServer({
      ...credentials.context,
      requestCert: options.requestCert === true,
      rejectUnauthorized: options.rejectUnauthorized !== false,
      ...(options.alpn === undefined ? {} : { ALPNProtocols: [...options.alpn] }),
      ...(options.sni === undefined
        ? {}
        : {
            SNICallback: (name: string, done: ServerNameAnswer) =>
              done(null, this.#credentials.serverNames.get(name)?.context),
          }),
      handshakeTimeout: NONE,
    });
    this.#server.on('secureConnection', (socket) => {
      socket.allowHalfOpen = true;
      ownerOf(socket)?.handshakeDone(socket);
    });
    this.#server.on('tlsClientError', (error, socket) => {
      ownerOf(socket)?.handshakeFailed(handshakeError(error, socket, this.#serves(nameAskedFor(socket))));
    });
  }

  /**
   * Reads the certificates and keys that `options` name.
   *
   * @param where what the paths of problems begin with, such as `'secure'`
   */
  static load(
    options: TlsOptions,
    where: string,
  ): { terminator: TlsTerminator } | { problems: Omit<Problem, 'where'>[] } {
    const loaded = loadCredentials(options, where);
    if ('problems' in loaded) return loaded;
    return { terminator: new TlsTerminator(options, where, loaded.credentials) };
  }

  /** What is shown to clients that ask for no other name; `undefined` where there is only `sni`. */
  get certificate(): X509Certificate | undefined {
    return this.#credentials.certificate;
  }

  #serves(serverName: string): boolean {
    return this.certificate !== undefined || this.#credentials.serverNames.get(serverName) !== undefined;
  }

  /** Whether clients are asked for a certificate. */
  get requestsCertificate(): boolean {
    return this.#options.requestCert === true;
  }

  /** Whether changes of the files are to be noticed. */
  get watches(): boolean {
    return this.#options.watch === true;
  }

  /**
   * Begins the handshake on a held socket, of which nothing is to be read by others any more.
   *
   * @param early what has been read from the socket already, and is for TLS
   */
  begin(socket: Socket, owner: HandshakeOwner, early?: Buffer): void {
    passOn(socket, owner);
    returnInput(socket);
    if (early !== undefined && early.length > 0) socket.unshift(early);
    // Until the handshake is done, the end of one side is the end of all; the encrypted socket takes this over when it is made.
    socket.allowHalfOpen = false;
    this.#server.emit('connection', socket);
    socket.allowHalfOpen = true;
  }

  /**
   * Reads the files again. Handshakes that begin from now on use what is in them; connections that are open stay as they are.
   *
   * @param owner what problems and lines of the log name
   * @throws ConfigurationError if something is wrong with them; the old certificates stay
   */
  reload(owner: string, logger: Logger): void {
    const loaded = loadCredentials(this.#options, this.#where);
    if ('problems' in loaded) {
      const error = new ConfigurationError(loaded.problems.map((problem) => ({ where: owner, ...problem })));
      this.#tellReload(owner, error);
      throw error;
    }
    // With new keys for tickets, unless some were given: who was accepted by an old `ca` is checked again.
    this.#server.setSecureContext(loaded.credentials.context);
    this.#credentials = loaded.credentials;
    this.#files?.watch(loaded.credentials.files);
    logger.info({ listener: owner, validTo: this.certificate?.validTo }, 'certificates reloaded');
    this.warn(owner, logger);
    this.#tellReload(owner, undefined);
  }

  #tellReload(owner: string, error: ConfigurationError | undefined): void {
    const { certificate } = this;
    if (channels.certificates.hasSubscribers) channels.certificates.publish({ owner, certificate, error });
  }

  /** Logs what is not wrong, but deserves a look: a certificate that has expired, say. */
  warn(owner: string, logger: Logger): void {
    for (const { path, message } of this.#credentials.warnings) logger.warn({ listener: owner }, `${path}: ${message}`);
  }

  /** Calls back whenever the files have changed, until `unwatch`. */
  watch(changed: () => void): void {
    this.#files ??= new CertificateFiles(changed);
    this.#files.watch(this.#credentials.files);
  }

  unwatch(): void {
    this.#files?.stop();
    this.#files = undefined;
  }
}
