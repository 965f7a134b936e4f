import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { axisTop, type ChartSeries, type ChartSpec } from './charts.ts';
import { type ColumnValues, extent, WINDOW_MS } from './history-samples.ts';

const HEIGHT = 104;
const MINUTE_MS = 60_000;
const AXIS_FONT = '11px system-ui, sans-serif';
/** Two digits of alpha, to be put behind the theme's six of colour. */
const FILL_ALPHA = { line: '26', step: '26', bars: 'cc', area: '73' } as const;
/** Charts of the same key show their cursors at the same time. */
const CURSOR_GROUP = 'history';

/** Colours of the theme; canvases do not follow style sheets by themselves. */
interface Palette {
  readonly series: readonly [string, string];
  readonly text: string;
  readonly grid: string;
}

/** One chart on a canvas, as wide as its element, showing the five minutes up to the newest sample. */
export class LiveChart {
  readonly #spec: ChartSpec;
  readonly #plot: uPlot;
  readonly #dark = window.matchMedia('(prefers-color-scheme: dark)');
  readonly #resized: ResizeObserver;
  readonly #onScheme = (): void => this.#repaint();
  #palette = readPalette();
  #newestMs = 0;

  /** `onCursor` is told which sample the pointer is at in any chart of the page, undefined when at none. */
  constructor(element: HTMLElement, spec: ChartSpec, onCursor: (index: number | undefined) => void) {
    this.#spec = spec;
    this.#plot = new uPlot(this.#options(element.clientWidth, onCursor), emptyData(spec), element);
    this.#resized = new ResizeObserver(() => this.#plot.setSize({ width: element.clientWidth, height: HEIGHT }));
    this.#resized.observe(element);
    this.#dark.addEventListener('change', this.#onScheme);
  }

  /** Draws other values: a column for each series, in the order of `timesMs`. */
  show(timesMs: readonly number[], columns: readonly ColumnValues[]): void {
    this.#newestMs = timesMs.at(-1) ?? 0;
    // uPlot only reads the arrays, its types do not say so.
    this.#plot.setData([timesMs as number[], ...(columns as (number | null)[][])]);
  }

  /** Lets go of the canvas and of all listeners. */
  close(): void {
    this.#resized.disconnect();
    this.#dark.removeEventListener('change', this.#onScheme);
    this.#plot.destroy();
  }

  #repaint(): void {
    this.#palette = readPalette();
    this.#plot.redraw();
  }

  #options(width: number, onCursor: (index: number | undefined) => void): uPlot.Options {
    return {
      width,
      height: HEIGHT,
      padding: [8, 14, 0, 0],
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 }, sync: { key: CURSOR_GROUP } },
      scales: {
        x: { time: false, range: () => [this.#newestMs - WINDOW_MS, this.#newestMs] },
        y: { range: (plot) => [0, this.#top(plot)] },
      },
      axes: [this.#timeAxis(), this.#valueAxis()],
      series: [{}, ...this.#spec.series.map((series) => this.#series(series))],
      hooks: { setCursor: [(plot) => onCursor(plot.cursor.idx ?? undefined)] },
    };
  }

  #top(plot: uPlot): number {
    const columns = plot.data.slice(1) as (number | null)[][];
    const max = Math.max(0, ...columns.map((values) => extent(values)?.max ?? 0));
    return Math.min(axisTop(max, this.#spec.leastTop), this.#spec.mostTop ?? Number.POSITIVE_INFINITY);
  }

  #timeAxis(): uPlot.Axis {
    return {
      ...this.#axis(),
      size: 22,
      splits: () => [4, 3, 2, 1, 0].map((minutes) => this.#newestMs - minutes * MINUTE_MS),
      values: () => ['−4 min', '−3', '−2', '−1', 'now'],
    };
  }

  #valueAxis(): uPlot.Axis {
    return {
      ...this.#axis(),
      size: 48,
      splits: (_plot, _axis, _min, max) => [0, max / 2, max],
      values: (_plot, splits) => splits.map((value) => this.#spec.tick(value)),
    };
  }

  #axis(): uPlot.Axis {
    return {
      font: AXIS_FONT,
      gap: 4,
      stroke: () => this.#palette.text,
      grid: { stroke: () => this.#palette.grid, width: 1 },
      ticks: { show: false },
    };
  }

  #series({ label, colour, shape, filled }: ChartSeries): uPlot.Series {
    const stroke = (): string => this.#palette.series[colour - 1] ?? this.#palette.text;
    return {
      label,
      stroke,
      width: shape === 'bars' || shape === 'area' ? 0 : 1.5,
      points: { show: false },
      ...(filled ? { fill: () => `${stroke()}${FILL_ALPHA[shape]}` } : {}),
      ...(shape === 'step' && uPlot.paths.stepped !== undefined ? { paths: uPlot.paths.stepped({ align: -1 }) } : {}),
      ...(shape === 'bars' && uPlot.paths.bars !== undefined ? { paths: uPlot.paths.bars({ size: [0.8, 8, 2] }) } : {}),
    };
  }
}

function emptyData(spec: ChartSpec): uPlot.AlignedData {
  return [[], ...spec.series.map(() => [])];
}

function readPalette(): Palette {
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string): string => style.getPropertyValue(name).trim();
  return {
    series: [colour('--chart-1'), colour('--chart-2')],
    text: colour('--muted'),
    grid: colour('--line'),
  };
}
