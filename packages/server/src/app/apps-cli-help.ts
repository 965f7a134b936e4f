/** The text that `sluice apps --help` prints. */
export const APPS_HELP = `Usage: sluice apps <command> [options]

Applications say which back end is asked about a client: clients name one by its key (appKey). A server that runs with
the same data folder takes changes in by itself.

Commands:
  apps list                            list all applications
  apps show NAME                       show one; NAME is its name or its key
  apps add NAME --key KEY [fields]     make one
  apps update NAME [fields]            change one: its key with --key, its back end with --url
  apps remove NAME                     remove one: clients that name it are refused
  apps methods NAME [changes]          show or change the hooks that are sent to it

Fields:
  -k, --key KEY       key that clients name it by
  -l, --url URL       back end; hooks are sent to URL/<hook>. Empty: everything is allowed
  -u, --user USER     user name for HTTP Basic authentication at the back end; empty: none
  -p, --password PASSWORD
      --password-stdin  read the password from the standard input; the variable SLUICE_APP_PASSWORD is taken too
  -o, --owner OWNER   a note of whose it is

Changes of hooks:
  --add HOOK          send that hook; may be repeated, or several with commas
  --remove HOOK       do not send it: what it asks about is allowed
  --add-all, --remove-all

Options:
  --data-dir DIR      folder of the server's state (default: .sluice, or SLUICE_DATA_DIR)
  -h, --help          show this
`;
