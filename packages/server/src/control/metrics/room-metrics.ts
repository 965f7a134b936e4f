import type { Registry } from 'prom-client';
import type { Rooms } from '../../core/index.ts';
import { gauge } from './metric.ts';

/** Rooms of this moment. */
export class RoomMetrics {
  readonly #rooms: Rooms;
  readonly #count;
  readonly #members;

  constructor(rooms: Rooms, registry: Registry) {
    this.#rooms = rooms;
    this.#count = gauge(registry, 'sluice_rooms', 'rooms of the Room API');
    this.#members = gauge(registry, 'sluice_rooms_members', 'members of all rooms');
  }

  refresh(): void {
    this.#count.set(this.#rooms.size);
    this.#members.set(this.#rooms.memberCount);
  }
}
