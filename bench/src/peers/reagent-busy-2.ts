import { startWithWorkers } from '../workers-server.js';
import { BusyEcho } from './reagent-busy.js';

export { cpuOfAll as cpu } from '../workers-server.js';

export const start = () => startWithWorkers(BusyEcho, 2);
