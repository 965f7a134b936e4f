// The least that can be between a sender and receivers of UDP: datagrams are passed on as they are, to every port of the
// command line. Prints its own port.
import { createSocket } from 'node:dgram';

const ports = process.argv.slice(2).map(Number);
const socket = createSocket('udp4');
socket.on('message', (datagram) => {
  for (const port of ports) socket.send(datagram, port, '127.0.0.1');
});
socket.bind(0, '127.0.0.1', () => console.log(socket.address().port));
