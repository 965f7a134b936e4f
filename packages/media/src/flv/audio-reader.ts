import { aacTrack, parseAacConfig } from '../codec/aac.ts';
import { sameParameters } from '../codec/h264.ts';
import { opusTrack, parseOpusHead, writeOpusHead } from '../codec/opus.ts';
import { g711Track, speexTrack } from '../codec/telephony.ts';
import { type AudioCodec, ProtocolError, type Track } from '../packet.ts';
import { parseFlvAudio } from './audio-body.ts';
import { type FlvFrame, ownedUnits, UnsupportedCodecError } from './frame.ts';

/** A real one has 2 to 10 bytes, and at most about 300 with a program config element and a comment. */
const MAX_ASC_BYTES = 1024;

/**
 * Turns the bodies of one source's audio tags into frames of a track; the counterpart of `FlvVideoReader`. AAC frames
 * before the configuration are left out. Opus without a configuration is taken for stereo, G.711 for 8 kHz mono and
 * Speex for 16 kHz mono. Several Speex frames in one tag stay one unit.
 */
export class FlvAudioReader {
  readonly #trackId: number;
  #track: Track | undefined;

  /** @param trackId `id` of the tracks that it makes. */
  constructor(trackId: number) {
    this.#trackId = trackId;
  }

  /** The present track; replaced when the codec or its parameters change. Undefined before the first configuration. */
  get track(): Track | undefined {
    return this.#track;
  }

  /**
   * Takes the body of the next audio tag, in which the frame's units lie. Returns the frame in it; undefined for tags
   * without one (configuration, end, silence message, other tracks) and frames that nobody can decode yet.
   * @throws ProtocolError for a broken body, which changes nothing: the reader can go on with the next one.
   * @throws UnsupportedCodecError
   */
  read(body: Uint8Array): FlvFrame | undefined {
    if (body.length === 0) return undefined;
    const tag = parseFlvAudio(body);
    if (tag.kind === 'unsupported') throw new UnsupportedCodecError('audio', tag.codecName);
    if (tag.kind === 'config') this.#configure(tag.codec, tag.data);
    if (tag.kind !== 'frame' || tag.data.length === 0) return undefined;
    const track = this.#trackFor(tag.codec);
    if (track === undefined) return undefined;
    return { track, units: ownedUnits([tag.data], body.length), key: true, compositionUs: tag.offsetUs };
  }

  #configure(codec: AudioCodec, data: Uint8Array): void {
    if (codec === 'aac') {
      if (data.length > MAX_ASC_BYTES) throw new ProtocolError('AAC_BAD_CONFIG', `${data.length} bytes are too many`);
      if (data.length === 0 || this.#hasParameter('aac', data)) return;
      parseAacConfig(data);
      this.#track = aacTrack(this.#trackId, new Uint8Array(data));
    } else if (codec === 'opus') {
      // Writing it again leaves out what does not belong to it.
      const head = writeOpusHead(data.length === 0 ? {} : parseOpusHead(data));
      if (!this.#hasParameter('opus', head)) this.#track = opusTrack(this.#trackId, head);
    }
  }

  /** The track for a frame of this codec; made now for codecs that need no configuration. */
  #trackFor(codec: AudioCodec): Track | undefined {
    if (this.#track?.codec === codec) return this.#track;
    switch (codec) {
      case 'aac':
      case 'g722':
      case 'g726':
      case 'l16':
        return undefined;
      case 'opus':
        this.#track = opusTrack(this.#trackId, writeOpusHead());
        break;
      case 'speex':
        this.#track = speexTrack(this.#trackId);
        break;
      case 'pcma':
      case 'pcmu':
        this.#track = g711Track(this.#trackId, codec);
    }
    return this.#track;
  }

  #hasParameter(codec: AudioCodec, parameter: Uint8Array): boolean {
    return this.#track?.codec === codec && sameParameters(this.#track.parameters, [parameter]);
  }
}
