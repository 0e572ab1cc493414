//! The lines of a script or of the shell: the commands of the command line, and some additional ones, whose work is in
//! `interpreter.rs` and `shell.rs`.

use crate::cli::args::values;
use crate::cli::commands::Command;
use clap::{Args, CommandFactory, Parser, Subcommand};
use std::ffi::OsString;

/// A command. Paths on the open server need no server name
#[derive(Parser)]
#[command(no_binary_name = true, disable_version_flag = true, subcommand_required = true, after_help = PATHS)]
#[command(override_usage = "COMMAND [OPTIONS] [PATHS]")]
pub(crate) struct TypedLine {
    #[command(subcommand)]
    pub(crate) word: Word,
}

/// The command of a line.
#[derive(Subcommand)]
pub(crate) enum Word {
    #[command(flatten)]
    Command(Command),
    Open(OpenArgs),
    Cd(CdArgs),
    Lcd(LcdArgs),
    Pwd(PwdArgs),
    Lpwd(LpwdArgs),
    Lls(LlsArgs),
    Limit(LimitArgs),
    Lanes(LanesArgs),
    Queue(QueueArgs),
    Jobs(JobsArgs),
    Wait(WaitArgs),
    Kill(KillArgs),
    History(HistoryArgs),
    #[command(visible_alias = "quit", alias = "bye")]
    Exit(ExitArgs),
}

/// Connect to a server and change to its folder
#[derive(Args)]
#[command(after_help = "Example:\n  open ann@files.example.org::/photos")]
pub(crate) struct OpenArgs {
    /// The server and the folder
    #[arg(value_name = "REMOTE")]
    pub(crate) remote: OsString,
}

/// Change the folder on the server
#[derive(Args)]
#[command(after_help = "Example:\n  cd ../2026")]
pub(crate) struct CdArgs {
    /// The folder, '-' for the one before; if left out, the one that the server was opened with
    #[arg(value_name = "REMOTE")]
    pub(crate) folder: Option<OsString>,
}

/// Change the local folder
#[derive(Args)]
#[command(after_help = "Example:\n  lcd ~/photos")]
pub(crate) struct LcdArgs {
    /// The folder; the home folder if left out
    #[arg(value_name = "LOCAL", default_value = "~")]
    pub(crate) folder: OsString,
}

/// Print the folder on the server
#[derive(Args)]
#[command(after_help = "Example:\n  pwd")]
pub(crate) struct PwdArgs {}

/// Print the local folder
#[derive(Args)]
#[command(after_help = "Example:\n  lpwd")]
pub(crate) struct LpwdArgs {}

/// List a local folder
#[derive(Args)]
#[command(after_help = "Example:\n  lls ..")]
pub(crate) struct LlsArgs {
    /// The folder
    #[arg(value_name = "LOCAL", default_value = ".")]
    pub(crate) folder: OsString,
}

/// Limit the rate of transfers started from now on
#[derive(Args)]
#[command(
    after_help = "The limit applies to each background job separately: two jobs at `limit 10M` may move 20M a second.\n\n\
                  Example:\n  limit 10M"
)]
pub(crate) struct LimitArgs {
    /// Bytes per second, as 500K or 10M; 0 for no limit
    #[arg(value_name = "RATE", value_parser = values::rate_or_none)]
    pub(crate) rate: u64,
}

/// Set the number of data connections of transfers started from now on
#[derive(Args)]
#[command(after_help = "Example:\n  lanes 4")]
pub(crate) struct LanesArgs {
    /// 1 to 64, or auto
    #[arg(value_name = "N|auto", value_parser = values::lanes)]
    pub(crate) lanes: u16,
}

/// Run a command in the background, after the commands queued before it
#[derive(Args)]
#[command(after_help = "Example:\n  queue put -r photos")]
pub(crate) struct QueueArgs {
    /// The command
    #[arg(value_name = "COMMAND", required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) words: Vec<OsString>,
}

/// List the jobs in the background
#[derive(Args)]
#[command(after_help = "Example:\n  jobs")]
pub(crate) struct JobsArgs {}

/// Wait for jobs in the background
#[derive(Args)]
#[command(after_help = "Example:\n  wait 1")]
pub(crate) struct WaitArgs {
    /// Numbers of the jobs, as 1 or %1; all jobs if none is given
    #[arg(value_name = "JOB", value_parser = values::job)]
    pub(crate) jobs: Vec<usize>,
}

/// Stop jobs in the background
#[derive(Args)]
#[command(after_help = "Example:\n  kill 1")]
pub(crate) struct KillArgs {
    /// Numbers of the jobs, as 1 or %1
    #[arg(value_name = "JOB", value_parser = values::job, required = true)]
    pub(crate) jobs: Vec<usize>,
}

/// Show the typed lines
#[derive(Args)]
#[command(after_help = "Example:\n  history")]
pub(crate) struct HistoryArgs {}

/// Leave
#[derive(Args)]
#[command(after_help = "Example:\n  exit")]
pub(crate) struct ExitArgs {}

/// Returns the parser of lines. While a server is open, some paths may be left out.
pub(crate) fn line_parser() -> clap::Command {
    let here = |command: clap::Command| {
        command.mut_arg("remote", |argument| argument.required(false).default_value(""))
    };
    TypedLine::command()
        .mut_subcommand("ls", |ls| ls.mut_arg("remotes", |paths| paths.required(false).default_value("")))
        .mut_subcommand("df", here)
        .mut_subcommand("find", here)
        .mut_subcommand("du", |du| du.mut_arg("remotes", |paths| paths.required(false).default_value("")))
        .mut_subcommand("doctor", here)
        .mut_subcommand("put", |put| {
            put.mut_arg("paths", |paths| paths.num_args(1..))
                .override_usage("put [OPTIONS] <LOCAL>... [REMOTE]")
        })
        .mut_subcommand("get", |get| get.override_usage("get [OPTIONS] <REMOTE>... [LOCAL]"))
        .mut_subcommand("mirror", |mirror| mirror.override_usage("mirror [OPTIONS] <SOURCE> <TARGET>"))
}

/// The same parser for help: it shows what can be typed in a line.
pub(crate) fn help_parser() -> clap::Command {
    let parser = line_parser();
    let names: Vec<String> = parser.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    names.into_iter().fold(parser, |parser, name| {
        parser.mut_subcommand(&name, |command| {
            let usage = command.clone().render_usage().to_string();
            let command = match usage.strip_prefix("Usage: ").filter(|usage| usage.contains("ftp-client ")) {
                Some(usage) => command.override_usage(usage.replace("ftp-client ", "")),
                None => command,
            };
            let texts = [command.get_after_help(), command.get_after_long_help()]
                .map(|text| text.map(|text| as_in_a_line(&text.to_string(), &name)));
            let hidden = OF_COMMAND_LINES.contains(&name.as_str()) || command.is_hide_set();
            let [short, long] = texts.map(Option::unwrap_or_default);
            let command = command.hide(hidden).after_help(short).mut_args(|argument| {
                let help = argument.get_help().map(ToString::to_string);
                match help.filter(|help| help.contains("`ftp-client ")) {
                    Some(help) => argument.help(help.replace("`ftp-client ", "`")),
                    None => argument,
                }
            });
            if long.is_empty() { command } else { command.after_long_help(long) }
        })
    })
}

/// The text of a command's help with examples that can be typed in a line: without the program, and without the server, which is
/// open. A line that needs another program is left out.
fn as_in_a_line(text: &str, command: &str) -> String {
    let server = if ["mirror", "check"].contains(&command) { ":" } else { "" };
    let line = |line: &str| {
        let example = line.strip_prefix("  ").filter(|example| example.contains("ftp-client "))?;
        let example = example.strip_prefix("ftp-client ").filter(|_| !example.contains(['|', '>']))?;
        Some(format!("  {}", example.replace("ann@files.example.org::", server)).trim_end().to_owned())
    };
    let is_example = |line: &&str| line.starts_with("  ") && line.contains("ftp-client ");
    let lines = text.lines().filter_map(|of_text| {
        if is_example(&of_text) { line(of_text) } else { Some(of_text.replace("`ftp-client ", "`")) }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Commands that do not run in a line.
const OF_COMMAND_LINES: [&str; 2] = ["script", "shell"];

const PATHS: &str = "\
Paths on the server begin in its current folder (cd, pwd), paths here in that of this machine (lcd, lpwd). Of several paths,
the last of get is local and the last of put is remote; mirror and check take one path here and one as :PATH or NAME:PATH.

In the shell, `get`, `put` and `mirror` with & at the end run in the background, and !COMMAND runs on this machine.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_shows_what_can_be_typed() {
        for command in help_parser().get_subcommands_mut().filter(|command| !command.is_hide_set()) {
            let name = command.get_name().to_owned();
            for help in [command.render_help(), command.render_long_help()].map(|help| help.to_string()) {
                assert!(
                    !help.contains("  ftp-client ") && !help.contains("Usage: ftp-client"),
                    "{name}: {help}"
                );
                assert!(!help.contains("`ftp-client "), "{name}: {help}");
            }
        }
        let help =
            |name: &str| help_parser().find_subcommand(name).unwrap().clone().render_help().to_string();
        assert!(help("put").contains("\n  put report.pdf /inbox/"), "{}", help("put"));
        assert!(help("mirror").contains("\n  mirror ~/photos :/photos"), "{}", help("mirror"));
    }

    #[test]
    fn a_short_h_is_about_sizes_where_there_are_sizes() {
        for line in ["ls -lh", "df -h"] {
            let parsed = line_parser().try_get_matches_from(line.split(' '));
            assert!(parsed.is_ok(), "{line}: {parsed:?}");
        }
    }
}
