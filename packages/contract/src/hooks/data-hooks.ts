import Type from 'typebox';
import { HOOK_ORIGIN } from './hook-fields.ts';

/**
 * `OnDataEvent`: a client sends data to its application, or `/data/send` sends some to a client (rest-hooks.md §6.3).
 */
export const OnDataEventHook = Type.Object({
  ...HOOK_ORIGIN,
  operationId: Type.String(),
  payload: Type.Optional(Type.Unknown({ description: 'any JSON' })),
});

/** `DataStatusEvent`: what became of it (§6.3). */
export const DataStatusEventHook = Type.Object({
  ...HOOK_ORIGIN,
  operationId: Type.String(),
  status: Type.Enum(['ACCEPTED', 'FAILED'], { description: '`ACCEPTED` or `FAILED`' }),
  info: Type.Optional(Type.String()),
});

/** `submitBugReport` and `sendBugReport`: the client's own object, whatever it has (§6.5). */
export const BugReportHook = Type.Object(
  {
    ...HOOK_ORIGIN,
    text: Type.Optional(Type.Unknown({ description: 'what the user wrote; and any other field of the report' })),
    type: Type.Optional(Type.Unknown()),
  },
  { additionalProperties: true },
);

/** `BugReportStatusEvent`: where the report was put (§6.5). */
export const BugReportStatusEventHook = Type.Object({
  ...HOOK_ORIGIN,
  filename: Type.Optional(Type.String()),
  status: Type.Optional(Type.String()),
  info: Type.Optional(Type.String()),
});

/** `pushLogs`: lines of the client's own log (§6.5). */
export const PushLogsHook = Type.Object({ ...HOOK_ORIGIN, logs: Type.Optional(Type.String()) });

/** `sessionDebug`: the client turns the log of its session on or off (§6.5). */
export const SessionDebugHook = Type.Object({
  ...HOOK_ORIGIN,
  command: Type.Optional(Type.Enum(['start', 'stop'], { description: '`start` or `stop`' })),
});

/** `SessionDebugStatusEvent`: the log of a session was turned on or off (§6.5). */
export const SessionDebugStatusEventHook = Type.Object({
  ...HOOK_ORIGIN,
  status: Type.Enum(['STARTED', 'STOPPED'], { description: '`STARTED` or `STOPPED`' }),
  file: Type.Optional(Type.String()),
  info: Type.Optional(Type.String()),
});
