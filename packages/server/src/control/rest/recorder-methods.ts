import {
  MultipleRecorderMember,
  MultipleRecorderObject,
  MultipleRecorderReference,
  RecordingReference,
  RecordingStartup,
  RunningRecordingObject,
} from '@sluice/contract';
import Type from 'typebox';
import type { Recorder, RunningRecording } from '../../core/index.ts';
import type { ControlDeps } from '../control-deps.ts';
import { RestError } from './rest-error.ts';
import { restMethod } from './rest-method.ts';

const NO_PUBLICATION = 'nothing is published under that id';
const NOT_RECORDED = 'that publication is not being recorded';
const NO_MULTIPLE = 'there is no such recorder';
const OFF = 'nothing may be recorded (`record_streams=false`)';
const EXAMPLE = { mediaSessionId: '627990f9-8fe5-4e92-bb2a-863cc4eb43de' };
const MULTIPLE = { uri: 'multi-recorder://meeting' };

const start = {
  request: RecordingStartup,
  answer: undefined,
  errors: { 404: NO_PUBLICATION, 500: OFF, 503: 'as many recordings run as the settings allow' },
  example: { ...EXAMPLE, config: { fileTemplate: '{streamName}-{startTimeMillis}', rotation: '600' } },
} as const;

const stop = {
  details:
    'Answers when the file is complete, or after `record_stop_timeout`; it is completed all the same, see `/recording/find`.',
  request: RecordingReference,
  answer: undefined,
  errors: { 404: NOT_RECORDED },
  example: EXAMPLE,
} as const;

/** `/stream/startRecording` and `stopRecording` (rest-api.md §3). */
export const STREAM_RECORDING_METHODS = [
  restMethod({
    path: '/stream/startRecording',
    summary: 'Records a publication; the same as `/recorder/startup`.',
    ...start,
    run: ({ deps, body: { mediaSessionId, config } }) => recorderOf(deps).start(mediaSessionId, config),
  }),
  restMethod({
    path: '/stream/stopRecording',
    summary: 'Ends the recording of a publication; the same as `/recorder/terminate`.',
    ...stop,
    run: ({ deps, body }) => recorderOf(deps).stop(body.mediaSessionId),
  }),
];

/** `/recorder` and `/multipleRecorder` (rest-api.md §4, §5). */
export const RECORDER_METHODS = [
  restMethod({
    path: '/recorder/startup',
    summary: 'Records a publication. One that is being recorded ends its file and begins a new one.',
    ...start,
    run: ({ deps, body: { mediaSessionId, config } }) => recorderOf(deps).start(mediaSessionId, config),
  }),
  restMethod({
    path: '/recorder/terminate',
    summary: 'Ends the recording of a publication.',
    ...stop,
    run: ({ deps, body }) => recorderOf(deps).stop(body.mediaSessionId),
  }),
  restMethod({
    path: '/recorder/find_all',
    summary: 'Lists the recordings that run, whoever began them.',
    request: Type.Object({}),
    answer: Type.Array(RunningRecordingObject),
    errors: { 404: 'there are none' },
    run: ({ deps }) => {
      const running = recorderOf(deps).running().map(runningObject);
      if (running.length === 0) throw new RestError(404, 'nothing is being recorded');
      return running;
    },
  }),
  restMethod({
    path: '/multipleRecorder/startup',
    summary: 'Begins a recording of several streams in one MP4 file.',
    request: MultipleRecorderReference,
    answer: undefined,
    errors: { 409: 'there is a recorder of that address', 500: OFF },
    example: MULTIPLE,
    run: ({ deps, body }) => recorderOf(deps).startMultiple(body.uri),
  }),
  restMethod({
    path: '/multipleRecorder/add',
    summary: 'Adds a publication to a recording of several streams.',
    request: MultipleRecorderMember,
    answer: undefined,
    errors: { 404: `${NO_MULTIPLE}, or ${NO_PUBLICATION}`, 409: 'that publication is in it already', 500: OFF },
    example: { ...MULTIPLE, ...EXAMPLE },
    run: ({ deps, body }) => recorderOf(deps).addToMultiple(body.uri, body.mediaSessionId),
  }),
  restMethod({
    path: '/multipleRecorder/remove',
    summary: 'Takes a publication out of a recording of several streams; what was recorded of it stays.',
    request: MultipleRecorderMember,
    answer: undefined,
    errors: { 404: `${NO_MULTIPLE}, or that publication is not in it` },
    example: { ...MULTIPLE, ...EXAMPLE },
    run: ({ deps, body }) => recorderOf(deps).removeFromMultiple(body.uri, body.mediaSessionId),
  }),
  restMethod({
    path: '/multipleRecorder/find_all',
    summary: 'Lists the recordings of several streams.',
    request: Type.Object({}),
    answer: Type.Array(MultipleRecorderObject),
    errors: { 404: 'there are none' },
    run: ({ deps }) => {
      const all = recorderOf(deps)
        .multiple()
        .map(({ uri, mediaSessionIds, fileName }) => ({ mediaSessionsId: [...mediaSessionIds], uri, fileName }));
      if (all.length === 0) throw new RestError(404, 'there are no recorders of several streams');
      return all;
    },
  }),
  restMethod({
    path: '/multipleRecorder/terminate',
    summary: 'Ends a recording of several streams and completes its file.',
    request: MultipleRecorderReference,
    answer: undefined,
    errors: { 404: NO_MULTIPLE },
    example: MULTIPLE,
    run: ({ deps, body }) => recorderOf(deps).stopMultiple(body.uri),
  }),
];

/** @throws RestError 501 in a server without a recorder */
export function recorderOf({ recorder }: Pick<ControlDeps, 'recorder'>): Recorder {
  if (recorder === undefined) throw new RestError(501, 'this server does not record');
  return recorder;
}

/** A running recording as REST and the console tell it. */
export function runningObject(running: RunningRecording): Type.Static<typeof RunningRecordingObject> {
  const { id, fileName, mediaSessionId, streamName, startedAtMs, durationMs, bytes, trouble } = running;
  return {
    fileName,
    mediaSessionId,
    streamName,
    ...(id === undefined ? {} : { id }),
    startedAt: startedAtMs,
    durationMs: Math.round(durationMs),
    bytes,
    ...(trouble === undefined ? {} : { trouble }),
  };
}
