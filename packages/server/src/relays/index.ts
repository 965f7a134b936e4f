export { GuardedAddresses } from './outbound-port.ts';
