/** The text that `sluice users --help` prints. */
export const USERS_HELP = `Usage: sluice users <command> [options]

Users may call the REST API and log in at the console. A server that runs with the same data folder takes changes in by
itself. Passwords are asked for, or read from the standard input when that is no terminal.

Commands:
  users list               list all users
  users add NAME           make one
  users passwd NAME        give one a new password; logins with the old one end
  users remove NAME        remove one
  users deactivate NAME    let one not log in for now
  users activate NAME      let one log in again

Options:
  --generate        make up a password and print it (add, passwd)
  --data-dir DIR    folder of the server's state (default: .sluice, or SLUICE_DATA_DIR)
  -h, --help        show this
`;

/** The text that `sluice token --help` prints. */
export const TOKEN_HELP = `Usage: sluice token --stream NAME --role ROLE --expires TIME [options]

Prints a stream token, signed with stream_token_secret of the settings.

  --stream NAME     name of the stream, or a mask such as "room-*"
  --role ROLE       what it allows: publish, play or both
  --expires TIME    how long it holds: 30s, 15m, 12h, 7d
  --ip ADDRESS      only from that address or network, such as 192.0.2.0/24

Options:
  --config FILE     settings file (default: sluice.properties in the data folder, if it exists)
  --data-dir DIR    folder for settings, media and state (default: .sluice, or SLUICE_DATA_DIR)
  --set NAME=VALUE  set one setting, over file and environment; may be repeated
  -h, --help        show this
`;
