export { createIceCredentials, type IceCredentials } from './credentials.ts';
export { IceFullAgent, type IceFullAgentOptions } from './ice-full-agent.ts';
export {
  type IceArrival,
  type IceCounters,
  IceLiteAgent,
  type IceLiteAgentOptions,
  type IcePath,
  type PathVia,
} from './ice-lite-agent.ts';
