import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What `@20minutes/s3rver`, which has no types, is used for. */
interface S3rver {
  run(): Promise<{ readonly port: number }>;
  close(): Promise<void>;
  readonly httpServer: { closeAllConnections(): void } | undefined;
  readonly store: {
    getMetadata(bucket: string, key: string): Promise<Record<string, string>>;
  };
}

type S3rverClass = new (options: object) => S3rver;

const Server = createRequire(import.meta.url)('@20minutes/s3rver') as S3rverClass;

export const BUCKET = 'records';
/** The account that the server knows. */
export const CREDENTIALS = { region: 'us-east-1', accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' };

/** An S3 server with one bucket in a folder of its own. It can be stopped and started again at another port. */
export class S3TestServer {
  readonly folder: string;
  port = 0;
  #server: S3rver | undefined;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async start(): Promise<S3TestServer> {
    const server = new S3TestServer(await mkdtemp(join(tmpdir(), 's3-')));
    await server.restart();
    return server;
  }

  async restart(): Promise<void> {
    const server = new Server({
      address: '127.0.0.1',
      port: 0,
      silent: true,
      directory: this.folder,
      vhostBuckets: false,
      configureBuckets: [{ name: BUCKET }],
    });
    const { port } = await server.run();
    this.port = port;
    this.#server = server;
  }

  /** Nobody listens any more. */
  async stop(): Promise<void> {
    const closed = this.#server?.close();
    // A client that was cut off in the middle of a request would be waited for.
    this.#server?.httpServer?.closeAllConnections();
    await closed;
    this.#server = undefined;
  }

  async close(): Promise<void> {
    await this.stop();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** Bytes of an object; undefined when there is none. */
  async object(key: string): Promise<Buffer | undefined> {
    return await readFile(join(this.folder, BUCKET, `${key}._S3rver_object`)).catch(() => undefined);
  }

  /** What the server tells of an object; undefined when there is none. */
  async metadata(key: string): Promise<Record<string, string> | undefined> {
    return await this.#server?.store.getMetadata(BUCKET, key).catch(() => undefined);
  }

  /** Ids of uploads in parts that have neither been completed nor given up. */
  async uploads(): Promise<readonly string[]> {
    return await readdir(this.#uploadsFolder()).catch(() => []);
  }

  /** Parts of an upload that are there, which the server itself does not list; undefined for an unknown upload. */
  async parts(uploadId: string): Promise<readonly { number: number; etag: string; size: number }[] | undefined> {
    const folder = join(this.#uploadsFolder(), uploadId);
    const names = await readdir(folder).catch(() => undefined);
    if (names === undefined) return undefined;
    const numbers = names.filter((name) => /^\d+$/.test(name)).map(Number);
    const parts = numbers.map(async (number) => ({
      number,
      etag: createHash('md5')
        .update(await readFile(join(folder, `${number}`)))
        .digest('hex'),
      size: (await stat(join(folder, `${number}`))).size,
    }));
    return (await Promise.all(parts)).sort((a, b) => a.number - b.number);
  }

  /** Forgets an upload with its parts. */
  async abort(uploadId: string): Promise<void> {
    await rm(join(this.#uploadsFolder(), uploadId), { recursive: true, force: true });
  }

  #uploadsFolder(): string {
    return join(this.folder, BUCKET, '._S3rver_uploads');
  }
}
