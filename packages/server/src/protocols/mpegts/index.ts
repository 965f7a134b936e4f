export {
  type InputPort,
  type InputPortEvents,
  type InputPortOpen,
  type OpenSrtInput,
  openInRange,
  type PortRange,
  type SenderList,
} from './input-port.ts';
export { TsToStream, type TsToStreamCounts, type TsToStreamOptions } from './to-stream.ts';
