// Where viewers are: behind a pair of virtual network devices, in a network namespace of their own, where this may be made
// (root); else on the loopback of the server. It is made once and taken down at the end.
import { execFileSync } from 'node:child_process';

/** A network that is not likely to be another's: of a second run of this program neither. */
const NETWORK = `10.211.${process.pid % 256}`;
const SERVER_ADDRESS = `${NETWORK}.1`;
const CLIENT_ADDRESS = `${NETWORK}.2`;

/** Gives { kind, host, prefix, close }: `prefix` is what to put before the command of a client. */
export function openNetwork(wanted) {
  if (wanted !== 'off' && process.getuid?.() === 0) {
    try {
      return openNamespace(`sluice-${process.pid}`);
    } catch (error) {
      if (wanted === 'on') throw error;
    }
  } else if (wanted === 'on') throw new Error('--netns on: only root may make a network namespace');
  return { kind: 'loopback', host: '127.0.0.1', prefix: [], close() {} };
}

function openNamespace(name) {
  const ip = (...words) => execFileSync('ip', words, { stdio: ['ignore', 'ignore', 'pipe'] });
  const [near, far] = [`slb${process.pid % 100_000}a`, `slb${process.pid % 100_000}b`];
  ip('netns', 'add', name);
  const close = () => execFileSync('ip', ['netns', 'del', name], { stdio: 'ignore' });
  try {
    ip('link', 'add', near, 'type', 'veth', 'peer', 'name', far, 'netns', name);
    ip('addr', 'add', `${SERVER_ADDRESS}/24`, 'dev', near);
    ip('link', 'set', near, 'up');
    ip('-n', name, 'addr', 'add', `${CLIENT_ADDRESS}/24`, 'dev', far);
    ip('-n', name, 'link', 'set', far, 'up');
    ip('-n', name, 'link', 'set', 'lo', 'up');
  } catch (error) {
    close();
    throw error;
  }
  return { kind: 'network namespace', host: SERVER_ADDRESS, prefix: ['ip', 'netns', 'exec', name], close };
}
