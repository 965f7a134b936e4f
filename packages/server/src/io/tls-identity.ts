/** Certificate chain and private key in PEM form. */
export interface TlsIdentity {
  readonly cert: string;
  readonly key: string;
}
