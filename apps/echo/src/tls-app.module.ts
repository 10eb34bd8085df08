import { Module } from '@reagent/core';
import { AppModule } from './app.module.js';
import { TlsEcho } from './tls-echo.js';

/** The application with one more server. It needs a certificate: `bootstrap(TlsAppModule, { secure })`. */
@Module({ imports: [AppModule], reagents: [TlsEcho] })
export class TlsAppModule {}
