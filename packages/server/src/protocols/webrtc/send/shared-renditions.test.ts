import { expect, it } from 'vitest';
import { MediaServerError, type Renditions, type Stream } from '../../../core/index.ts';
import { SharedRenditions } from './shared-renditions.ts';

const [one, other] = [{ name: 'one' } as Stream, { name: 'other' } as Stream];

function rig() {
  const asked: string[] = [];
  const rig = { nowMs: 1000, isFull: false, asked };
  const renditions: Renditions = {
    enabled: (use) => use === 'thin',
    ladder(stream, use) {
      asked.push(`ladder ${stream.name} ${use}`);
      if (rig.isFull) throw new MediaServerError('TRANSCODING_LIMIT', 'no room');
      return undefined;
    },
    thinner(stream) {
      asked.push(`thinner ${stream.name}`);
      return [];
    },
    admit: (stream) => void asked.push(`admit ${stream.name}`),
  };
  return Object.assign(rig, { shared: new SharedRenditions(renditions, () => rig.nowMs) });
}

it('asks once for all who ask within a moment, for each stream and use', () => {
  const { shared, asked } = rig();
  for (let i = 0; i < 100; i++) {
    for (const stream of [one, other]) {
      expect(shared.thinner(stream)).toEqual([]);
      expect(shared.ladder(stream, 'webrtc')).toBeUndefined();
    }
    shared.ladder(one, 'hls');
  }
  expect(asked.sort()).toEqual([
    'ladder one hls',
    'ladder one webrtc',
    'ladder other webrtc',
    'thinner one',
    'thinner other',
  ]);
  expect([shared.enabled('thin'), shared.enabled('webrtc')]).toEqual([true, false]);
});

it('asks anew later, and each time whether there is room', () => {
  const asker = rig();
  asker.shared.thinner(one);
  asker.nowMs += 300;
  asker.shared.thinner(one);
  asker.shared.admit(one, {});
  asker.shared.admit(one, {});
  expect(asker.asked).toEqual(['thinner one', 'thinner one', 'admit one', 'admit one']);
});

it('keeps what was thrown as well, for as long', () => {
  const asker = rig();
  asker.isFull = true;
  for (let i = 0; i < 3; i++) expect(() => asker.shared.ladder(one, 'webrtc')).toThrow('no room');
  expect(asker.asked).toHaveLength(1);
  asker.isFull = false;
  asker.nowMs += 300;
  expect(asker.shared.ladder(one, 'webrtc')).toBeUndefined();
});
