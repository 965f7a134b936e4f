/** hls.js without subtitles, alternative audio and DRM, which live streams of this server never have. */
declare module 'hls.js/light' {
  export * from 'hls.js';
  export { default } from 'hls.js';
}
