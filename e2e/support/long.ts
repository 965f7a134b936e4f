/**
 * True in `npm test -- long`, which takes what the usual run takes a part of: all cells of the matrix of players, more
 * crashes, and the tests in `e2e/long`.
 */
export const LONG = process.env.SLUICE_TESTS === 'long';
