export { SRTP_PROFILES, type SrtpMasterKey, type SrtpProfile, type SrtpProfileLengths } from './profile.ts';
export { SrtpReceiver, type SrtpReceiverCounters } from './receiver.ts';
export { SrtpSender, type SrtpSenderOptions } from './sender.ts';
