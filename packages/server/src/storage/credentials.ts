import { MediaServerError } from '../core/index.ts';

/** Who the server is for S3. */
export interface S3Credentials {
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

const MAX_CHARACTERS = 1024;

/**
 * Reads `aws_s3_credentials` (`region;key;secret`); undefined when it is empty. No part of it is ever in a message.
 * @throws MediaServerError CONFIG_INVALID
 */
export function parseS3Credentials(text: string): S3Credentials | undefined {
  if (text.trim() === '') return undefined;
  const parts = text.split(';').map((part) => part.trim());
  const [region = '', accessKeyId = '', secretAccessKey = ''] = parts;
  const problem = problemOf(text, { parts: parts.length, region, accessKeyId, secretAccessKey });
  if (problem === undefined) return { region, accessKeyId, secretAccessKey };
  throw new MediaServerError(
    'CONFIG_INVALID',
    `aws_s3_credentials ${problem}; it must be REGION;KEY;SECRET, for example eu-central-1;AKIA…;SECRET`,
  );
}

function problemOf(text: string, { parts, ...read }: S3Credentials & { readonly parts: number }): string | undefined {
  if (text.length > MAX_CHARACTERS) return `has more than ${MAX_CHARACTERS} characters`;
  if (parts !== 3) return `has ${parts} ${parts === 1 ? 'part' : 'parts'} instead of 3`;
  if (!/^[a-z0-9][a-z0-9-]{0,62}$/i.test(read.region)) {
    return 'begins with something that is no region (letters, digits and dashes)';
  }
  if (!/^[\x21-\x7e]{1,256}$/.test(read.accessKeyId)) return 'has a key that is empty or has spaces or other signs';
  if (!/^[\x21-\x7e]{1,512}$/.test(read.secretAccessKey)) {
    return 'has a secret that is empty or has spaces or other signs';
  }
  return undefined;
}
