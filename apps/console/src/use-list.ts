import { type ComputedRef, computed, type Ref, reactive, ref, watch } from 'vue';
import { ask } from './server-api.ts';
import { type Polled, usePolled } from './use-polling.ts';

/** What the server says of the rows that fit, beside those of one page. */
interface ListBody {
  /** How many fit what is asked for, on all pages. */
  readonly matching: number;
}

/** A list of the server, filtered and paged there. */
export interface List<Body extends ListBody, Filter extends Record<string, string>> extends Polled<Body> {
  /** Parameters of the question; empty ones are left out. The first page is shown when one changes. */
  readonly filter: Filter;
  /** Whether any of those that are named is asked for. */
  filteredBy(...names: readonly (keyof Filter & string)[]): boolean;
  /** Rows before the page that is shown. */
  readonly offset: Ref<number>;
  /** Rows of a page. */
  readonly limit: number;
  /** This machine's clock once there is an answer, ms since 1970. */
  readonly nowMs: ComputedRef<number>;
}

interface ListOptions<Filter extends Record<string, string>> {
  /** The path, without parameters. */
  readonly path: string;
  /** What is asked for at first. */
  readonly filter: Filter;
  readonly intervalMs: number;
  /** A longer page makes the browser slow, and nobody reads it. */
  readonly limit?: number;
}

/** Asks for one page of a list again and again, and at once when its filter or the page changes. */
export function useList<Body extends ListBody, Filter extends Record<string, string> = { text: string }>(
  options: ListOptions<Filter>,
): List<Body, Filter> {
  const { path, intervalMs, limit = 50 } = options;
  // What `reactive` gives has the same shape: all values are strings.
  const filter = reactive({ ...options.filter }) as Filter;
  const offset = ref(0);
  const polled = usePolled(() => {
    const query = new URLSearchParams({ offset: String(offset.value), limit: String(limit) });
    for (const [name, wanted] of Object.entries(filter)) if (wanted !== '') query.set(name, wanted);
    return ask<Body>(`${path}?${query.toString()}`);
  }, intervalMs);
  watch(filter, () => {
    offset.value = 0;
    polled.refresh();
  });
  watch(offset, polled.refresh);
  return {
    ...polled,
    filter,
    filteredBy: (...names) => names.some((name) => filter[name] !== ''),
    offset,
    limit,
    nowMs: computed(() => (polled.value.value === undefined ? 0 : Date.now())),
  };
}
