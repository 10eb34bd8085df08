import { Reagent } from '@reagent/core';
import { PushEcho } from './push-echo.js';

/** The push server over TLS, with the certificate of the application. Hooks are inherited. */
@Reagent({ port: 8083, secure: true })
export class TlsEcho extends PushEcho {}
