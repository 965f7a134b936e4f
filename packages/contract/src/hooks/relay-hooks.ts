import Type from 'typebox';
import { HOOK_ORIGIN } from './hook-fields.ts';

/** `RelayStatusEvent`: a stream that is pulled from another server, or pushed to one, changes its state. Not of WCS. */
export const RelayStatusEventHook = Type.Object({
  ...HOOK_ORIGIN,
  mediaSessionId: Type.String(),
  direction: Type.Enum(['pull', 'push'], {
    description: '`pull`: from elsewhere to here. `push`: from here to elsewhere',
  }),
  name: Type.String({ description: 'stream here' }),
  uri: Type.String({ description: 'address of the other server, without credentials' }),
  status: Type.Enum(['CONNECTING', 'CONNECTED', 'RUNNING', 'WAITING', 'STOPPED'], {
    description: 'where it stands; `WAITING` for its next attempt',
  }),
  attempts: Type.Integer({ description: 'connections that were tried' }),
  reconnects: Type.Integer({ description: 'connections that were lost after they had worked' }),
  info: Type.Optional(Type.String({ description: 'what went wrong last' })),
});
