//! The command `ftp-client`. What it does stands in the library, how it speaks with people and scripts in `cli`.

#![forbid(unsafe_code)]

mod cli;

fn main() -> std::process::ExitCode {
    wire::secrets::forbid_dumps();
    cli::main()
}
