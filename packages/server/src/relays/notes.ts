const MAX_NOTES = 16;
const MAX_NOTE_LENGTH = 300;

/** What people should know of a relay: each text once, the newest ones, bounded. */
export class Notes {
  #texts: readonly string[] = [];

  get texts(): readonly string[] {
    return this.#texts;
  }

  /** False when it is known already. */
  add(text: string): boolean {
    const short = text.slice(0, MAX_NOTE_LENGTH);
    if (this.#texts.includes(short)) return false;
    this.#texts = [...this.#texts, short].slice(-MAX_NOTES);
    return true;
  }
}
