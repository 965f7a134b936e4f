/** Seconds between the epochs of NTP (1900) and of Unix (1970). */
const UNIX_EPOCH_S = 2_208_988_800;
const FRACTIONS = 2 ** 32;

/** A time as sender reports have it: seconds since 1900 modulo 2^32, and 1/2^32 of a second. */
export interface NtpTime {
  readonly ntpSeconds: number;
  readonly ntpFraction: number;
}

/** The NTP time of a Unix time in milliseconds, to about 0.2 us. */
export function ntpOfUnixMs(unixMs: number): NtpTime {
  const seconds = Math.floor(unixMs / 1000);
  const fraction = Math.floor(((unixMs - seconds * 1000) / 1000) * FRACTIONS);
  return { ntpSeconds: (seconds + UNIX_EPOCH_S) % FRACTIONS, ntpFraction: fraction };
}

/** The Unix time in milliseconds of an NTP time before 2036 (the first era), with fractions. */
export function unixMsOfNtp({ ntpSeconds, ntpFraction }: NtpTime): number {
  return (ntpSeconds - UNIX_EPOCH_S) * 1000 + (ntpFraction / FRACTIONS) * 1000;
}

/** The middle 32 bits of an NTP time, in 1/65536 s: what report blocks and DLRR blocks refer to (RFC 3550 §6.4.1). */
export function compactNtp({ ntpSeconds, ntpFraction }: NtpTime): number {
  return ((ntpSeconds & 0xffff) * 0x10000 + (ntpFraction >>> 16)) >>> 0;
}
