import { MediaServerError } from '../../core/index.ts';

/** Settings can not be used; `problems` has one line for each thing to correct. */
export class SettingsError extends MediaServerError {
  readonly problems: readonly string[];

  constructor(problems: readonly string[], options?: { readonly cause?: unknown }) {
    super('CONFIG_INVALID', problems.join('; '), options);
    this.name = 'SettingsError';
    this.problems = problems;
  }
}
