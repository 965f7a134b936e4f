const INTERVAL_MS = 80;
/** Quieter than this reads as nothing, in decibels below full scale. */
const FLOOR_DB = -60;

/** Measures how loud a stream with sound is, from 0 to 1, about twelve times a second until it is closed. */
export class LevelMeter {
  readonly #audio = new AudioContext();
  readonly #timer: number;

  constructor(stream: MediaStream, onLevel: (level: number) => void) {
    // Refused when it is closed before the browser lets it begin.
    this.#audio.resume().catch(() => undefined);
    const analyser = new AnalyserNode(this.#audio, { fftSize: 1024 });
    const samples = new Float32Array(analyser.fftSize);
    this.#audio.createMediaStreamSource(stream).connect(analyser);
    this.#timer = window.setInterval(() => {
      analyser.getFloatTimeDomainData(samples);
      const peak = samples.reduce((highest, sample) => Math.max(highest, Math.abs(sample)), 0);
      onLevel(peak === 0 ? 0 : Math.max(0, 1 - (20 * Math.log10(peak)) / FLOOR_DB));
    }, INTERVAL_MS);
  }

  /** Lets go of the browser's sound. Once. */
  close(): void {
    window.clearInterval(this.#timer);
    this.#audio.close().catch(() => undefined);
  }
}
