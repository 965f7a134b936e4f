import { describe, expect, test } from 'vitest';
import { AttemptLimiter } from './attempt-limiter.ts';
import { PasswordCheck } from './password-check.ts';
import { hashPassword } from './password-hash.ts';
import { Witness } from './testing/witness.ts';
import type { StoredUser } from './users-file.ts';

const RIGHT = { name: 'admin', password: 'the right one' };
const WRONG = { name: 'admin', password: 'the wrong one' };
const ADMIN: StoredUser = { name: 'admin', passwordHash: await hashPassword(RIGHT.password, 10), active: true };
const ADDRESS = '192.0.2.1';

class Subject {
  user: StoredUser | undefined = ADMIN;
  ms = 0;
  readonly witness = new Witness();
  readonly passwords = new PasswordCheck({
    users: { find: async (name) => (name === this.user?.name ? this.user : undefined) },
    log: this.witness.log,
    counters: this.witness.counters,
    now: () => this.ms,
    limiter: new AttemptLimiter(undefined, { now: () => this.ms }),
  });

  /** Fails so often that the address must wait, unless it is remembered. */
  async lockOut(): Promise<void> {
    for (let i = 0; i < 5; i++) await this.passwords.check({ ...WRONG, password: `wrong ${i}` }, ADDRESS);
  }
}

describe('checking passwords', () => {
  test('remembers who was right for five minutes, as long as the user stays the same', async () => {
    const subject = new Subject();
    const { passwords } = subject;
    expect(await passwords.check(RIGHT, ADDRESS)).toBe(ADMIN);
    await subject.lockOut();
    expect(await passwords.check(RIGHT, ADDRESS)).toBe(ADMIN);
    subject.user = { ...ADMIN, active: false };
    expect(await passwords.check(RIGHT, ADDRESS)).toEqual({ waitMs: 1000 });
    subject.user = { ...ADMIN, passwordHash: await hashPassword('a new one', 10) };
    expect(await passwords.check(RIGHT, ADDRESS)).toEqual({ waitMs: 1000 });
    expect(await passwords.check(RIGHT, '192.0.2.2')).toBe('wrong');
    subject.user = ADMIN;
    subject.ms = 5 * 60_000 - 1;
    expect(await passwords.check(RIGHT, ADDRESS)).toBe(ADMIN);
    subject.ms += 1;
    await subject.lockOut();
    expect(await passwords.check(RIGHT, ADDRESS)).toMatchObject({ waitMs: expect.any(Number) });
  });

  test('does not let in who is not active', async () => {
    const subject = new Subject();
    subject.user = { ...ADMIN, active: false };
    expect(await subject.passwords.check(RIGHT, ADDRESS)).toBe('wrong');
  });

  test('of many calls at once costs one hash', async () => {
    const { passwords, witness } = new Subject();
    const outcomes = await Promise.all(Array.from({ length: 200 }, () => passwords.check(RIGHT, ADDRESS)));
    expect(new Set(outcomes)).toEqual(new Set([ADMIN]));
    expect(witness.counts.size).toBe(0);
  });

  test('slows the address that is wrong, and not who is known', async () => {
    const subject = new Subject();
    const { passwords, witness } = subject;
    expect(await passwords.check(RIGHT, ADDRESS)).toBe(ADMIN);
    for (let i = 0; i < 5; i++)
      expect(await passwords.check({ ...WRONG, password: `wrong ${i}` }, ADDRESS)).toBe('wrong');
    expect(await passwords.check(WRONG, ADDRESS)).toEqual({ waitMs: 1000 });
    expect(await passwords.check(RIGHT, ADDRESS)).toBe(ADMIN);
    expect(await passwords.check(WRONG, '192.0.2.2')).toBe('wrong');
    subject.ms += 1000;
    expect(await passwords.check(WRONG, ADDRESS)).toBe('wrong');
    expect(await passwords.check(WRONG, ADDRESS)).toEqual({ waitMs: 2000 });
    expect(witness.counts.get('auth_failed')).toBe(7);
    expect(witness.counts.get('auth_slowed')).toBe(2);
  });

  test('under a flood from everywhere does a bounded amount of work and says when to come again', async () => {
    const { passwords, witness } = new Subject();
    const flood = Array.from({ length: 300 }, (_, i) => passwords.check(WRONG, `10.0.${i >> 8}.${i & 255}`));
    const outcomes = await Promise.all(flood);
    const checked = outcomes.filter((outcome) => outcome === 'wrong');
    expect(checked.length).toBeLessThanOrEqual(32);
    expect(outcomes.filter((outcome) => typeof outcome === 'object')).toHaveLength(300 - checked.length);
    expect(witness.counts.get('auth_slowed')).toBe(300 - checked.length);
  }, 20_000);

  test('logs failures at a limited rate, without passwords and without names that nobody has', async () => {
    const { passwords, witness } = new Subject();
    await passwords.check({ name: 'typed-in-the-wrong-field', password: 'x' }, ADDRESS);
    for (let i = 0; i < 30; i++) await passwords.check(WRONG, `192.0.2.${i + 2}`);
    expect(witness.lines[0]).toContain('"remoteAddress":"192.0.2.1"');
    expect(witness.lines.length).toBeLessThan(15);
    expect(witness.lines.join()).not.toMatch(/wrong one|wrong-field/);
  });
});
