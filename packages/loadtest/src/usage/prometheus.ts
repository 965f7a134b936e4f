import { send } from '../http.ts';

/** What a server says of itself by Prometheus. */
export interface MetricsUsage {
  readonly cpuS: number | undefined;
  readonly residentBytes: number | undefined;
  readonly loopP99Ms: number | undefined;
  readonly loopMaxMs: number | undefined;
  /** How busy its event loop was, 0 to 1. */
  readonly loopUtilization: number | undefined;
}

const TIMEOUT_MS = 5000;

/** Values of samples without labels, by name, in the text format of Prometheus. */
export function parseMetrics(text: string): ReadonlyMap<string, number> {
  const values = new Map<string, number>();
  for (const line of text.split('\n')) {
    const match = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{\})?\s+(\S+)/.exec(line);
    if (match?.[1] !== undefined && Number.isFinite(Number(match[2]))) values.set(match[1], Number(match[2]));
  }
  return values;
}

/** Reads them. @throws Error when there are none */
export async function readMetrics(url: string, insecure: boolean): Promise<MetricsUsage> {
  const { status, body } = await send(url, { insecure, timeoutMs: TIMEOUT_MS });
  if (status !== 200) throw new Error(`${url} answers ${status}`);
  const values = parseMetrics(body.toString('utf8'));
  const ms = (name: string): number | undefined => {
    const seconds = values.get(name);
    return seconds === undefined ? undefined : seconds * 1000;
  };
  return {
    cpuS: values.get('process_cpu_seconds_total'),
    residentBytes: values.get('process_resident_memory_bytes'),
    loopP99Ms: ms('nodejs_eventloop_lag_p99_seconds'),
    loopMaxMs: ms('nodejs_eventloop_lag_max_seconds'),
    loopUtilization: values.get('sluice_event_loop_utilization'),
  };
}
