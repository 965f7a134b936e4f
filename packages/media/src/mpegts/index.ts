export { TsMuxer } from './writer.ts';
