/** What is shown on the wall, as its address has it. */
export interface WallChoice {
  /** Words, parted by commas, of which a stream's name has one; empty for all. */
  readonly text: string;
  /** Names that were chosen one by one; none for all. */
  readonly only: readonly string[];
  /** Tiles in a row; 0 for as many as fit. */
  readonly columns: number;
  /** Tiles that play at the same time. */
  readonly limit: number;
  /** True when all tiles in sight are to play, up to the limit. */
  readonly playing: boolean;
}

/** Before anything was chosen. */
export const WHOLE_WALL: WallChoice = { text: '', only: [], columns: 0, limit: 9, playing: false };

/** What may be chosen. */
export const WALL_COLUMNS: readonly number[] = [0, 1, 2, 3, 4, 5, 6, 8];
/** Each player takes power and the line; browsers allow some dozens of decoders. */
export const WALL_LIMITS: readonly number[] = [1, 4, 9, 16, 25];
const MAX_ONLY = 200;

/** Reads the address of a wall. Total: what makes no sense counts as not given. */
export function readWall(hash: string): WallChoice {
  const given = new URLSearchParams(hash.split(/\?(.*)/s, 2)[1] ?? '');
  const oneOf = (name: string, choices: readonly number[], otherwise: number): number =>
    choices.find((choice) => String(choice) === given.get(name)) ?? otherwise;
  return {
    text: given.get('text') ?? '',
    only: given.getAll('only').slice(0, MAX_ONLY),
    columns: oneOf('columns', WALL_COLUMNS, WHOLE_WALL.columns),
    limit: oneOf('limit', WALL_LIMITS, WHOLE_WALL.limit),
    playing: given.get('play') === '1',
  };
}

/** The address of a wall; what is as before anything was chosen is left out. */
export function wallLink({ text, only, columns, limit, playing }: WallChoice): string {
  const query = new URLSearchParams();
  if (text !== '') query.set('text', text);
  for (const name of only) query.append('only', name);
  if (columns !== WHOLE_WALL.columns) query.set('columns', String(columns));
  if (limit !== WHOLE_WALL.limit) query.set('limit', String(limit));
  if (playing) query.set('play', '1');
  return query.size === 0 ? '#/wall' : `#/wall?${query}`;
}

/** The names that a choice shows, in the order given. */
export function namesOnWall(names: readonly string[], { text, only }: WallChoice): readonly string[] {
  const words = text
    .toLowerCase()
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '');
  const chosen = new Set(only);
  return names.filter(
    (name) =>
      (chosen.size === 0 || chosen.has(name)) &&
      (words.length === 0 || words.some((word) => name.toLowerCase().includes(word))),
  );
}

/** What decides which tiles play. */
export interface WallSight {
  /** Names in sight, in the order of the tiles. */
  readonly visible: readonly string[];
  /** Tiles that were started by hand, the newest last. */
  readonly started: readonly string[];
  /** The tile that is pointed at. */
  readonly pointed: string | undefined;
}

/** The tiles that play: those pointed at and started by hand first, never more than the limit. */
export function playingTiles({ visible, started, pointed }: WallSight, choice: WallChoice): ReadonlySet<string> {
  const wished = [...(pointed === undefined ? [] : [pointed]), ...started.toReversed()];
  const others = choice.playing ? visible : [];
  const inSight = new Set(visible);
  return new Set([...new Set([...wished, ...others])].filter((name) => inSight.has(name)).slice(0, choice.limit));
}
