//! The help of a command: its own options first and in full, those of all commands at the end, a line each. The program's own help
//! has the latter in full.

use clap::builder::{StyledStr, Styles};
use clap::{Arg, Command};
use std::fmt::Write;

/// Returns the parser for words that asked for the help of a command.
pub(crate) fn parser(command: Command) -> Command {
    let mut common = StyledStr::new();
    let styles = Styles::default();
    let header = styles.get_header();
    // Writing to memory does not fail.
    let _ = write!(common, "{header}Common options{header:#} (`ftp-client --help` tells more about them)");
    for argument in command.get_arguments().filter(|argument| is_common(argument)) {
        let _ = write!(common, "\n{}", line(argument));
    }
    let template = format!("{BEFORE}{}{AFTER}", common.ansi());
    let hidden = |argument: Arg| {
        if is_common(&argument) { argument.hide(true).long_help(None::<&str>) } else { argument }
    };
    of_commands(command.mut_args(hidden), &template)
}

fn of_commands(command: Command, template: &str) -> Command {
    let names: Vec<String> = command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    names.into_iter().fold(command, |command, name| {
        command.mut_subcommand(&name, |command| {
            of_commands(command.help_template(template.to_owned()), template)
        })
    })
}

fn is_common(argument: &Arg) -> bool {
    argument.is_global_set() && !argument.is_hide_set()
}

/// `  -i, --identity <FILE>  Log in with this key`.
fn line(argument: &Arg) -> String {
    let short = argument.get_short().map_or("    ".to_owned(), |short| format!("-{short}, "));
    let long = argument.get_long().unwrap_or_default();
    let value = argument.get_value_names().filter(|_| argument.get_action().takes_values());
    let value = value.map_or(String::new(), |names| format!(" <{}>", names.join("> <")));
    let spec = format!("{short}--{long}{value}");
    let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
    format!("  {spec:<SPEC_WIDTH$}  {help}")
}

/// clap's own template, up to the end of a command's own options, and from there on.
const BEFORE: &str = "{before-help}{about-with-newline}\n{usage-heading} {usage}\n\n{all-args}\n\n";
const AFTER: &str = "{after-help}";
/// Columns of `    --ssh-command <COMMAND>`.
const SPEC_WIDTH: usize = 27;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::commands::Cli;
    use clap::CommandFactory;

    fn help(words: &[&str]) -> String {
        let words = [&["ftp-client"], words, &["--help"]].concat();
        parser(Cli::command().term_width(80)).try_get_matches_from(words).unwrap_err().to_string()
    }

    #[test]
    fn common_options_come_last_and_take_a_line_each() {
        for line in Cli::command().get_arguments().filter(|argument| is_common(argument)).map(line) {
            assert!(line.len() <= 80 && !line.contains(['{', '}', '\n']), "{line}");
        }
        for (name, line) in [
            ("ls", "  -l, --long            Show type, mode, owner, group, size and time\n"),
            ("put", "\n      --changing <HOW>\n"),
            ("mirror", "\n      --delete\n"),
            ("profile", "\n  add     Add a profile"),
        ] {
            let help = help(&[name]);
            let (own, common) = help.split_once("Common options").unwrap();
            assert!(own.contains(line) && own.contains("--help") && !own.contains("--known-hosts"), "{help}");
            assert!(common.contains("\n  -v, --verbose") && common.contains("\nExample:\n"), "{help}");
        }
        assert!(help(&["profile", "add"]).contains("Common options (`ftp-client"));
    }
}
