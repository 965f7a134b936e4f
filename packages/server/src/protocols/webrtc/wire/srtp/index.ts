// The encryption lies where what sends media can use it as well.
export * from '@sluice/native/srtp';
