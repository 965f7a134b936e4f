import type { TObject } from 'typebox';
import { ConnectHook, ConnectionStatusEventHook } from './connection-hooks.ts';
import {
  BugReportHook,
  BugReportStatusEventHook,
  DataStatusEventHook,
  OnDataEventHook,
  PushLogsHook,
  SessionDebugHook,
  SessionDebugStatusEventHook,
} from './data-hooks.ts';
import type { HookName } from './hook-names.ts';
import { RelayStatusEventHook } from './relay-hooks.ts';
import {
  NamedStreamHook,
  PlayHlsHook,
  PlayRtspHook,
  PlayStreamHook,
  PublishStreamHook,
  StopStreamHook,
  StreamEventHook,
  StreamKeepAliveEventHook,
  StreamStatusEventHook,
} from './stream-hooks.ts';

/** The body of each hook that this server sends, by its name. Events that report an error have `FailedEvent` instead. */
export const HOOK_BODIES = {
  connect: ConnectHook,
  ConnectionStatusEvent: ConnectionStatusEventHook,
  publishStream: PublishStreamHook,
  playStream: PlayStreamHook,
  playHLS: PlayHlsHook,
  playRTSP: PlayRtspHook,
  unPublishStream: StopStreamHook,
  stopStream: StopStreamHook,
  pauseStream: NamedStreamHook,
  snapshot: NamedStreamHook,
  StreamStatusEvent: StreamStatusEventHook,
  StreamKeepAliveEvent: StreamKeepAliveEventHook,
  StreamEvent: StreamEventHook,
  OnDataEvent: OnDataEventHook,
  DataStatusEvent: DataStatusEventHook,
  sendBugReport: BugReportHook,
  submitBugReport: BugReportHook,
  BugReportStatusEvent: BugReportStatusEventHook,
  pushLogs: PushLogsHook,
  sessionDebug: SessionDebugHook,
  SessionDebugStatusEvent: SessionDebugStatusEventHook,
  RelayStatusEvent: RelayStatusEventHook,
} as const satisfies Partial<Record<HookName, TObject>>;

/** A hook that this server sends. */
export type SentHookName = keyof typeof HOOK_BODIES;

/** The hooks that this server sends. */
export const SENT_HOOKS = Object.keys(HOOK_BODIES) as readonly SentHookName[];
