import type { RoomPush } from '@sluice/contract';
import { describe, expect, it } from 'vitest';
import { RoomMirror } from '../testing/room-mirror.ts';
import { Room } from './room.ts';
import type { Occupant, Seat } from './seat.ts';

/** A member that checks what it is told, and may turn out to be gone when it is told something. */
class Member implements Occupant {
  static speaking = 0;
  readonly sessionId = '/a/b';
  readonly told: string[] = [];
  readonly offences: string[] = [];
  seat: Seat | undefined;
  goneAt: RoomPush['name'] | undefined;
  readonly #mirror = new RoomMirror((offence) => void this.offences.push(offence));

  constructor() {
    this.#mirror.join('hall');
  }

  push(push: RoomPush): void {
    this.told.push(`${push.name} ${JSON.stringify(push.info)}`);
    this.#mirror.take(push);
    if (++Member.speaking > 1) this.offences.push('told while another one is being told');
    if (push.name === this.goneAt && this.seat !== undefined) this.seat.room.leave(this.seat);
    Member.speaking--;
  }

  responds(): Promise<boolean> {
    return Promise.resolve(true);
  }

  displace(): void {}
}

function join(room: Room, login: string): Member {
  const member = new Member();
  member.seat = room.join(login, member);
  return member;
}

describe('a room whose members turn out to be gone while they are told something', () => {
  it('tells the others first what is on its way, then that those have left', () => {
    const room = new Room('app', 'hall');
    const [ann, bob, carl, dan] = ['ann', 'bob', 'carl', 'dan'].map((login) => join(room, login));
    for (const member of [ann, carl]) if (member !== undefined) member.goneAt = 'JOINED';
    const eve = join(room, 'eve');
    const left = ['JOINED "eve"', 'LEFT "ann"', 'LEFT "carl"'];
    expect(bob?.told.slice(-3)).toEqual(left);
    expect(dan?.told.slice(-3)).toEqual(left);
    expect(carl?.told.at(-1)).toBe('JOINED "eve"');
    expect(eve.told).toEqual(['STATE ["ann","bob","carl","dan"]', 'LEFT "ann"', 'LEFT "carl"']);
    for (const member of [ann, bob, carl, dan, eve]) expect(member?.offences).toEqual([]);
    expect([...room.seats()].map(({ login }) => login)).toEqual(['bob', 'dan', 'eve']);
  });

  it('tells one after the other when all of many are gone at once', () => {
    const room = new Room('app', 'hall');
    const members = Array.from({ length: 150 }, (_, i) => join(room, `m${i}`));
    const ann = join(room, 'ann');
    for (const member of members) member.goneAt = 'PUBLISHED';
    ann.seat?.room.publish(ann.seat, { mediaSessionId: 'p', name: 'p', streamName: 'p' });
    expect(room.size).toBe(1);
    expect(ann.told.filter((text) => text.startsWith('LEFT'))).toHaveLength(150);
    expect([...members, ann].flatMap(({ offences }) => offences)).toEqual([]);
  });

  it('takes as many streams as before when others had some and have left, and no more than STATE may hold', () => {
    const room = new Room('app', 'hall');
    const publish = ({ seat }: Member, i: number): boolean => {
      const name = `${i}`.padStart(500, 'x');
      return seat?.room.publish(seat, { mediaSessionId: name, name, streamName: name }) === true;
    };
    const fill = (member: Member): number => {
      let streams = 0;
      while (publish(member, streams)) streams++;
      return streams;
    };
    const first = join(room, 'ann');
    const count = fill(first);
    expect(count).toBeGreaterThan(900);
    expect(count).toBeLessThan(1100);
    for (let i = 0; i < 5; i++) {
      if (first.seat !== undefined) room.leave(first.seat);
      const other = join(room, 'eve');
      expect(fill(other)).toBe(count);
      if (other.seat !== undefined) room.leave(other.seat);
    }
    expect(fill(join(room, 'bob'))).toBe(count);
  });
});
