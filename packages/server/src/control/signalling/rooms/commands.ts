import { JoinRoom, LeaveRoom, RoomMessage } from '@sluice/contract';
import { objectOf, readFields } from '../client-message.ts';
import { nameFault } from './names.ts';

/** What a client asks of a room (websdk-signalling.md §12.1). */
export type RoomCommand =
  | { readonly command: 'join'; readonly room: string; readonly record: boolean }
  | { readonly command: 'leave'; readonly room: string }
  | { readonly command: 'sendMessage'; readonly room: string; readonly to: string; readonly text: string }
  /** Data that is no command: for the back end only. */
  | { readonly command: 'none' }
  /** A command that can't be done; `info` is for the client. */
  | { readonly command: 'faulty'; readonly info: string };

/** Messages are for people to read. */
const MAX_TEXT_LENGTH = 16 * 1024;
const ROOM_NAME = 'Name of the room';

/** Reads the payload of `sendData`. Never throws, whatever it is. */
export function readCommand(payload: unknown): RoomCommand {
  const { command, options } = objectOf(payload);
  switch (command) {
    case 'join': {
      const { name, record } = readFields(JoinRoom, objectOf(options));
      return checked(name, (room) => ({ command, room, record: record === true }));
    }
    case 'leave':
      return checked(readFields(LeaveRoom, objectOf(options)).name, (room) => ({ command, room }));
    case 'sendMessage': {
      const { roomConfig, to, text } = readFields(RoomMessage, objectOf(options));
      if (to === undefined) return faulty('Addressee of the message is missing');
      if (text === undefined) return faulty('Text of the message is missing');
      if (text.length > MAX_TEXT_LENGTH) return faulty(`Message is longer than ${MAX_TEXT_LENGTH} characters`);
      return checked(roomConfig?.name, (room) => ({ command, room, to, text }));
    }
    default:
      return command === undefined ? { command: 'none' } : faulty('Unknown command');
  }
}

function checked(name: string | undefined, make: (room: string) => RoomCommand): RoomCommand {
  const fault = nameFault(ROOM_NAME, name);
  return fault === undefined && name !== undefined ? make(name) : faulty(fault ?? '');
}

function faulty(info: string): RoomCommand {
  return { command: 'faulty', info };
}
