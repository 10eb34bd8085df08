import { startWithWorkers } from '../workers-server.js';
import { PushEcho } from './reagent-push.js';

export { cpuOfAll as cpu } from '../workers-server.js';

export const start = () => startWithWorkers(PushEcho, 1);
