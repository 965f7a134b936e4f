export { WavReader } from './reader.ts';
