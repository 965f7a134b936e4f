import { fitsMask } from './mask.ts';

interface OriginMask {
  readonly mask: string;
  readonly allowed: boolean;
}

const MAX_ORIGIN_LENGTH = 512;

/**
 * WCS's `allow_domains`: masks of the hosts whose pages may use the server, such as `*.example.com`. The first mask that
 * fits counts, `!` before it forbids, and what none fits is forbidden; an empty list allows all.
 */
export class OriginList {
  readonly #masks: readonly OriginMask[];

  constructor(masks: readonly string[]) {
    this.#masks = masks.map((text) => {
      const allowed = !text.startsWith('!');
      return { allowed, mask: (allowed ? text : text.slice(1)).trim().toLowerCase() };
    });
  }

  /**
   * Whether a client with that `Origin` header may come in. None at all is no browser's, and so allowed: the list keeps
   * foreign pages out, not programs. A mask with a port stands for that port only, one without for all.
   */
  allows(origin: string | undefined): boolean {
    if (origin === undefined || this.#masks.length === 0) return true;
    // Browsers send `null` for pages in a sandbox and from files. It hides where the page is from, so `*` does not do.
    if (origin === 'null') return this.#masks.find(({ mask }) => mask === 'null')?.allowed ?? false;
    const names = namesOf(origin);
    return this.#masks.find(({ mask }) => names.some((name) => fitsMask(mask, name)))?.allowed ?? false;
  }
}

/** What masks are compared with: the host, and host and port. */
function namesOf(origin: string): readonly string[] {
  if (origin.length > MAX_ORIGIN_LENGTH || !URL.canParse(origin)) return [];
  const { hostname, host } = new URL(origin);
  return hostname === '' ? [] : [hostname.replace(/\.$/, ''), host];
}
