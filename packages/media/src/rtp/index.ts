export { DependencyDescriptors } from './dependency-descriptor.ts';
export {
  absoluteSendTime,
  extension,
  type RtpExtension,
  type RtpExtensions,
  textExtension,
  transportSequence,
} from './extensions.ts';
export * from './payload/index.ts';
export * from './red.ts';
export * from './rtcp/index.ts';
export * from './rtp-packet.ts';
export * from './rtx.ts';
