/** A worker that sends a message for each picture of the test input. */
const RATE = 30;

setInterval(() => postMessage(undefined), 1000 / RATE);

export {};
