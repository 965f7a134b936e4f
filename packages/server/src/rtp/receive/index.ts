export {
  DEFAULT_RECEIVE_OPTIONS,
  type JitterBufferStrictness,
  type NegotiatedLayer,
  type NegotiatedTrack,
  type ReceiveOptions,
  type TrackExtensions,
  type TrackFeedback,
} from './options.ts';
export { PublisherMedia, type PublisherMediaOptions } from './publisher-media.ts';
export type { PublisherMediaStats, ReceivedTrackStats } from './stats.ts';
