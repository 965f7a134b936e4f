export * from './ntp.ts';
export { parseRtcp } from './parse.ts';
export type {
  DlrrReport,
  ExtendedReport,
  FeedbackHeader,
  FirRequest,
  ReceiverReport,
  Remb,
  ReportBlock,
  RtcpPacket,
  SdesChunk,
  SenderReport,
  TwccArrival,
  TwccFeedback,
} from './rtcp-packet.ts';
export { type TwccArrivalTime, type TwccFeedbackStart, twccFeedback } from './twcc.ts';
export * from './write.ts';
