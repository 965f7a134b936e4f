/**
 * What a hook is (rest-hooks.md §3). `connect`: refused unless the back end agrees. `direct`: something that the client
 * asked for, which the back end may forbid. `event`: has happened already.
 */
export type HookKind = 'connect' | 'direct' | 'event';

/** Every hook of WCS, and what it is; an application can name any of them. */
export const HOOK_KINDS = {
  connect: 'connect',
  ConnectionStatusEvent: 'event',
  RegistrationStatusEvent: 'event',
  publishStream: 'direct',
  playStream: 'direct',
  playHLS: 'direct',
  playRTSP: 'direct',
  unPublishStream: 'direct',
  stopStream: 'direct',
  pauseStream: 'direct',
  snapshot: 'direct',
  StreamStatusEvent: 'event',
  StreamKeepAliveEvent: 'event',
  StreamEvent: 'event',
  OnDataEvent: 'direct',
  DataStatusEvent: 'event',
  call: 'direct',
  answer: 'direct',
  hold: 'direct',
  unhold: 'direct',
  transfer: 'direct',
  sendDtmf: 'direct',
  sendDTMF: 'direct',
  hangup: 'direct',
  OnCallEvent: 'direct',
  CallStatusEvent: 'event',
  CallRecordEvent: 'event',
  TransferStatusEvent: 'event',
  sendMessage: 'direct',
  OnMessageEvent: 'direct',
  MessageStatusEvent: 'event',
  sendIMDN: 'direct',
  subscribe: 'direct',
  SubscriptionStatusEvent: 'event',
  sendXcapRequest: 'direct',
  XcapStatusEvent: 'event',
  sendBugReport: 'direct',
  submitBugReport: 'direct',
  BugReportStatusEvent: 'event',
  pushLogs: 'direct',
  sessionDebug: 'direct',
  SessionDebugStatusEvent: 'event',
  ErrorStatusEvent: 'event',
  /** Not of WCS. */
  RelayStatusEvent: 'event',
} as const satisfies Record<string, HookKind>;

/** Name of a hook; the last part of the address that it is sent to. */
export type HookName = keyof typeof HOOK_KINDS;

/** All hooks' names. */
export const HOOK_NAMES = Object.keys(HOOK_KINDS) as readonly HookName[];

/** True for the name of a hook, written as WCS writes it. */
export function isHookName(name: string): name is HookName {
  return Object.hasOwn(HOOK_KINDS, name);
}
