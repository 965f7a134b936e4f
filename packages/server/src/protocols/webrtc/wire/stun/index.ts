export type { StunClass } from './constants.ts';
export { bytesToIp, type Endpoint, ipToBytes } from './endpoint.ts';
export { isIntegrityRight, localUfragOf, readStun, type StunMessage } from './read.ts';
export { StunWriter } from './write.ts';
