/** hls.js without subtitles, alternative audio and DRM, which a stream of one quality never has. */
declare module 'hls.js/light' {
  export * from 'hls.js';
  export { default } from 'hls.js';
}
