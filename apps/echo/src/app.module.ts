import { Module } from '@reagent/core';
import { MessageCounter } from './message-counter.js';
import { PullEcho } from './pull-echo.js';
import { PushEcho } from './push-echo.js';
import { SessionEcho } from './session-echo.js';

@Module({ providers: [MessageCounter], reagents: [PushEcho, PullEcho, SessionEcho] })
export class AppModule {}
