import type { Log } from '../../core/index.ts';
import type { ApplicationStore } from './applications/application-store.ts';

/**
 * Warns when some applications have a back end and others have none: clients choose their application, so they may choose
 * one where nobody is asked. Warns again only when these are others. Dispose of the result to stop.
 */
export function warnOfOpenApplications(applications: ApplicationStore, log: Log): Disposable {
  let told = '';
  const look = (): void => {
    const all = applications.all();
    const open = all.filter(({ url }) => url === '').map(({ appKey }) => appKey);
    const keys = open.length < all.length ? open.join(', ') : '';
    if (keys !== '' && keys !== told)
      log.warn(
        { appKeys: keys },
        'clients may name an application that has no back end, and are not asked about then: ' +
          'give it one, remove it (sluice apps remove), or set application_back_end_required=true',
      );
    told = keys;
  };
  look();
  return applications.onChange(look);
}
