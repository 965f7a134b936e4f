export const MINUTES_MS = 60_000;
export const GIB = 1024 * 1024 * 1024;
