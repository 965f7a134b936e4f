/*
 * Names of the descriptions in this folder; each is a file `<name>.sdp`, with the line ends that its client sent.
 */

/** Offers of Chromium 156 through the Web SDK: publishing. */
export const PUBLISH_OFFERS = [
  'offer-publishStream-pub1',
  'offer-publishStream-pub2strip',
  'offer-publishStream-pubAudioOnly',
];
/** The same: playing. */
export const PLAY_OFFERS = ['offer-playStream-play1', 'offer-playStream-play2', 'offer-playStream-playAudioOnly'];
/** Constant texts that the Web SDK sends for its players without WebRTC. */
export const SOCKET_PLAYER_OFFERS = ['offer-playStream-mse1', 'offer-playStream-wsplayer'];
/** What Chromium 156 said in calls and as answers. */
export const OTHER_DESCRIPTIONS = [
  'offer-call',
  'answer-call',
  'answer-accepted-play-h264',
  'answer-accepted-publish-h264',
];
/** Offers of other clients: that of FFmpeg 8.1 is captured, the others are put together from how programs write them. */
export const OTHER_OFFERS = [
  'whip-ffmpeg8.1',
  'whip-ffmpeg8',
  'whip-libdatachannel',
  'whip-gstreamer',
  'whip-aiortc',
  'publish-firefox',
];

/**
 * Offers of a picture in several encodings: Chromium 156's with names, the same with sources named by a page that edits
 * its offer, and what OBS makes with libdatachannel, put together from how it writes them.
 */
export const SIMULCAST_OFFERS = ['offer-simulcast-rid', 'offer-simulcast-sources', 'whip-obs-simulcast'];

export const ALL_DESCRIPTIONS = [
  ...PUBLISH_OFFERS,
  ...PLAY_OFFERS,
  ...SOCKET_PLAYER_OFFERS,
  ...OTHER_DESCRIPTIONS,
  ...OTHER_OFFERS,
  ...SIMULCAST_OFFERS,
];
