/** Commands, and `sluice` for none: each has a help text. */
export type HelpTopic = 'sluice' | 'start' | 'config' | 'config print' | 'config check' | 'config docs' | 'version';

const SETTINGS_OPTIONS = `  --config FILE     settings file (default: sluice.properties in the data folder, if it exists)
  --data-dir DIR    folder for settings, media and state (default: .sluice, or SLUICE_DATA_DIR)
  --set NAME=VALUE  set one setting, over file and environment; may be repeated
`;

const HELP_OPTION = '  -h, --help        show this\n';

/** The text that `--help` prints for each command. */
export const HELP: Readonly<Record<HelpTopic, string>> = {
  sluice: `Sluice, a real-time media server

Usage: sluice <command> [options]

Commands:
  start         start the server
  apps          list and change applications and their back ends
  users         list and change who may use the REST API and the console
  token         make a token that lets somebody publish or play a stream
  bench         tell how many viewers this machine can serve
  config print  show all settings in force and where they come from
  config check  say whether the settings can be used
  config docs   write the reference page of all settings (Markdown)
  version       show the version

Options:
${SETTINGS_OPTIONS}${HELP_OPTION}
"sluice <command> --help" tells more about a command.
`,
  start: `Usage: sluice start [options]

Starts the server, prints the URLs to open, publish and play, and runs until Ctrl+C or SIGTERM.

Options:
${SETTINGS_OPTIONS}  --demo            publish a built-in clip as a stream that never ends (--no-demo: not; the default)
${HELP_OPTION}`,
  config: `Usage: sluice config print|check|docs [options]

  config print  show all settings in force and where they come from
  config check  say whether the settings can be used
  config docs   write the reference page of all settings (Markdown)
`,
  'config print': `Usage: sluice config print [options]

Prints all settings in force in the form of a settings file, with a comment where a value is not the default.

Options:
${SETTINGS_OPTIONS}${HELP_OPTION}`,
  'config check': `Usage: sluice config check [options]

Reads the settings as "start" would. Prints warnings and problems, one a line; the exit code is 1 when there are problems.

Options:
${SETTINGS_OPTIONS}${HELP_OPTION}`,
  'config docs': `Usage: sluice config docs

Prints the reference page of all settings in Markdown.
`,
  version: `Usage: sluice version

Prints the version.
`,
};
