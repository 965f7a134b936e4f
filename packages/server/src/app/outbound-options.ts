import { OutboundGuard } from '../io/index.ts';
import type { Settings } from './settings/index.ts';

/** Stands between addresses that callers give and connections to them, by the settings. */
export function makeOutboundGuard(settings: Settings): OutboundGuard {
  return new OutboundGuard({
    schemes: settings.outbound_schemes,
    privateNetworks: settings.outbound_private_networks,
    allowed: settings.outbound_allowed,
    denied: settings.outbound_denied,
  });
}
