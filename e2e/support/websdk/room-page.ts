import type { Page } from 'playwright-core';
import { vi } from 'vitest';

/** The parts of the Room API that the tests use. */
interface SdkStream {
  name(): string;
  status(): string;
  getInfo(): string | undefined;
  on(event: string, listener: () => void): SdkStream;
}
interface SdkParticipant {
  name(): string;
  getStreams(): { streamName(): string; play(display: Element): SdkStream }[];
  sendMessage(text: string): void;
}
interface SdkRoom {
  getParticipants(): SdkParticipant[];
  publish(options: object): SdkStream;
  leave(): Promise<SdkRoom>;
  on(event: string, listener: (...args: never[]) => void): SdkRoom;
}
interface RoomApi {
  readonly sdk: { init(options: object): Promise<void>; constants: { STREAM_STATUS: Record<string, string> } };
  connect(options: object): {
    on(event: string, listener: (session: { join(options: object): SdkRoom }) => void): unknown;
  };
}

/** What the page has of the room, and what its application was called with. */
interface RoomHarness {
  readonly events: string[];
  readonly faults: string[];
  /** Statuses of own streams, and of those that are played, by name. */
  readonly statuses: Record<string, string[]>;
  room: SdkRoom | undefined;
}

type Harnessed = Window & { RoomApi: RoomApi; harness: RoomHarness };

const WAIT = { timeout: 15_000, interval: 50 };

/** A page that uses the Web SDK's Room API, unmodified, in one room. */
export class RoomPage {
  readonly page: Page;

  private constructor(page: Page) {
    this.page = page;
  }

  /** Joins the room `hall` in a page that has loaded the Room API; resolves when the SDK has told STATE or FAILED. */
  static async join(page: Page, url: string, member: { username: string; record?: boolean }): Promise<RoomPage> {
    await page.evaluate(enter, { url, record: false, ...member });
    const one = new RoomPage(page);
    await vi.waitUntil(async () => (await one.events()).some((event) => /^(STATE|FAILED)/.test(event)), WAIT);
    return one;
  }

  /** All that its application was called with, in order. Streams without the characters that the SDK makes up. */
  async events(): Promise<readonly string[]> {
    const events = await this.page.evaluate(() => (window as unknown as Harnessed).harness.events);
    return events.map((event) => event.replaceAll(/-[0-9a-f]{4}(?=[-, ]|$)/g, '-####'));
  }

  /** Resolves when its application was called with exactly that. @throws Error with what it was called with instead */
  async told(...wanted: readonly string[]): Promise<void> {
    await vi.waitFor(async () => {
      const events = await this.events();
      if (JSON.stringify(events) !== JSON.stringify(wanted)) throw new Error(`told ${JSON.stringify(events)}`);
    }, WAIT);
  }

  /** Publishes camera and microphone; resolves when others can play. */
  async publish(suffix?: string): Promise<void> {
    const label = await this.page.evaluate(
      ({ name }) => {
        const { RoomApi, harness } = window as unknown as Harnessed;
        const display = document.body.appendChild(document.createElement('div'));
        const stream = harness.room?.publish({ display, ...(name === undefined ? {} : { name }) });
        const statuses: string[] = [];
        harness.statuses[stream?.name() ?? ''] = statuses;
        for (const status of Object.values(RoomApi.sdk.constants.STREAM_STATUS))
          stream?.on(status, () => statuses.push(status));
        return stream?.name() ?? '';
      },
      { name: suffix },
    );
    await this.status(label, 'PUBLISHING');
  }

  /** Plays the first stream of a member; resolves with its name when its picture moves. */
  async watch(login: string): Promise<string> {
    const label = await this.page.evaluate(
      ({ wanted }) => {
        const { RoomApi, harness } = window as unknown as Harnessed;
        const display = document.body.appendChild(document.createElement('div'));
        const member = harness.room?.getParticipants().find((one) => one.name() === wanted);
        const [offered] = member?.getStreams() ?? [];
        const name = offered?.streamName() ?? '';
        display.id = name;
        const stream = offered?.play(display);
        const statuses: string[] = [];
        harness.statuses[name] = statuses;
        for (const status of Object.values(RoomApi.sdk.constants.STREAM_STATUS))
          stream?.on(status, () => statuses.push(`${status} ${stream.getInfo() ?? ''}`.trim()));
        return name;
      },
      { wanted: login },
    );
    await vi.waitFor(async () => {
      const frames = await this.page.evaluate(
        (id) => document.getElementById(id)?.querySelector('video')?.getVideoPlaybackQuality().totalVideoFrames ?? 0,
        label,
      );
      if (frames < 10) throw new Error(`${frames} frames of ${label}`);
    }, WAIT);
    return label;
  }

  async say(login: string, text: string): Promise<void> {
    await this.page.evaluate(
      (message) => {
        const { harness } = window as unknown as Harnessed;
        const to = harness.room?.getParticipants().find((one) => one.name() === message.login);
        to?.sendMessage(message.text);
      },
      { login, text },
    );
  }

  /** Leaves the room as applications do. */
  async leave(): Promise<void> {
    await this.page.evaluate(async () => void (await (window as unknown as Harnessed).harness.room?.leave()));
  }

  /** The process of the page crashes: nothing of it runs any more. */
  async crash(): Promise<void> {
    const crashed = this.page.waitForEvent('crash');
    this.page.goto('chrome://crash').catch(() => {});
    await crashed;
  }

  /** Resolves when a stream that it publishes or plays has that status. */
  async status(label: string, status: string): Promise<void> {
    await vi.waitFor(async () => {
      const statuses = await this.page.evaluate(
        (name) => (window as unknown as Harnessed).harness.statuses[name] ?? [],
        label,
      );
      if (!statuses.includes(status)) throw new Error(`${label}: ${JSON.stringify(statuses)}`);
    }, WAIT);
  }

  /** Exceptions that nobody caught. */
  faults(): Promise<readonly string[]> {
    return this.page.evaluate(() => (window as unknown as Harnessed).harness.faults);
  }
}

/** Runs in the page: joins, and notes what the application is called with. */
async function enter(member: { url: string; username: string; record: boolean }): Promise<void> {
  const { url, username, record } = member;
  const { RoomApi } = window as unknown as Harnessed;
  const harness: RoomHarness = { events: [], faults: [], statuses: {}, room: undefined };
  (window as unknown as Harnessed).harness = harness;
  window.addEventListener('error', (event) => harness.faults.push(event.message));
  window.addEventListener('unhandledrejection', (event) => harness.faults.push(String(event.reason)));
  await RoomApi.sdk.init({});
  const note = (event: string, one: SdkParticipant): void => {
    const streams = one.getStreams().map((stream) => stream.streamName());
    harness.events.push([event, one.name(), ...streams].join(' '));
  };
  RoomApi.connect({ urlServer: url, username }).on('ESTABLISHED', (session) => {
    const room = session.join({ name: 'hall', record });
    harness.room = room;
    room.on('STATE', (state: SdkRoom) => {
      harness.events.push('STATE');
      for (const one of state.getParticipants()) note('  has', one);
    });
    for (const event of ['JOINED', 'LEFT', 'PUBLISHED']) room.on(event, (one: SdkParticipant) => note(event, one));
    room.on('MESSAGE', ({ from, text }: { from: SdkParticipant; text: string }) =>
      harness.events.push(`MESSAGE ${from.name()} ${text}`),
    );
    room.on('FAILED', (_room: SdkRoom, info: string) => harness.events.push(`FAILED ${info}`));
  });
}
