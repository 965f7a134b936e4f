import { parentPort, workerData } from 'node:worker_threads';
import { Crew } from './crew.ts';
import type { CrewOrder, CrewTask } from './crew-messages.ts';

const port = parentPort;
if (port === null) throw new Error('this is the program of a thread');
const crew = await Crew.prepare(workerData as CrewTask, (report) => port.postMessage(report));
crew.start();
port.on('message', (order: CrewOrder) => {
  if (order === 'watch') crew.watch();
  else void crew.stop().then(() => port.close());
});
