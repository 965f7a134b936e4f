import { parseLintedPlaylist } from './playlist.ts';
import { checkResponse, type LintFinding } from './response-rules.ts';
import { checkSuccessor, complete, type PlaylistMemory, remember } from './successive-rules.ts';

export { type LintedPlaylist, parseAttributes, parseLintedPlaylist } from './playlist.ts';
export type { LintFinding } from './response-rules.ts';

/**
 * Checks the media playlists that a server gives, one response after the other, against RFC 8216bis: what each must hold by
 * itself, and what must not change between them. Give it all responses to one client, delta updates too.
 */
export class MediaPlaylistLinter {
  #memory: PlaylistMemory | undefined;

  /** What is wrong with the next response; empty when all is as it has to be. */
  check(text: string): LintFinding[] {
    const findings: LintFinding[] = [];
    const report = (rule: string, message: string, level: LintFinding['level'] = 'must'): void => {
      findings.push({ rule, level, message });
    };
    const read = parseLintedPlaylist(text);
    checkResponse(read, report);
    const playlist = this.#memory === undefined ? read : complete(this.#memory, read);
    if (this.#memory !== undefined) checkSuccessor(this.#memory, playlist, report);
    else if (playlist.skipped > 0) report('skip-unasked', 'the first response leaves out segments (§6.2.5.1)');
    this.#memory = remember(this.#memory, playlist);
    return findings;
  }
}
