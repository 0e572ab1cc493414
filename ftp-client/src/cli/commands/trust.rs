//! `trust`: the servers that are trusted.

use crate::cli::output::{Object, Output};
use clap::{Args, Subcommand};
use ftp_client::Error;
use ftp_client::fingerprint;
use ftp_client::known_hosts::KnownHosts;
use ftp_client::remote::{address, parse_address};
use wire::FailureCode;

/// List or forget trusted servers
#[derive(Clone, Args)]
#[command(after_help = "Example:\n  ftp-client trust remove files.example.org:2121")]
pub(crate) struct TrustArgs {
    #[command(subcommand)]
    command: TrustSubcommand,
}

/// An action on the file of known servers.
#[derive(Clone, Subcommand)]
enum TrustSubcommand {
    /// List the trusted servers with their fingerprints
    #[command(after_help = "Example:\n  ftp-client trust list")]
    List,
    /// Forget servers, so that their next key is treated as new
    #[command(after_help = "Example:\n  ftp-client trust remove files.example.org:2121")]
    Remove {
        /// Host and port; port 2121 if left out
        #[arg(value_name = "HOST[:PORT]", required = true)]
        servers: Vec<String>,
    },
}

pub(crate) enum TrustCommand {
    List,
    Remove(Vec<(String, u16)>),
}

impl TrustCommand {
    pub(crate) fn new(typed: TrustArgs) -> Result<Self, Error> {
        Ok(match typed.command {
            TrustSubcommand::List => Self::List,
            TrustSubcommand::Remove { servers } => {
                Self::Remove(servers.iter().map(|text| server(text)).collect::<Result<_, _>>()?)
            }
        })
    }

    pub(crate) fn run(self, known_hosts: &KnownHosts, output: &Output) -> Result<u8, Error> {
        match self {
            Self::List => list(known_hosts, output),
            Self::Remove(servers) => remove(&servers, known_hosts, output),
        }
    }
}

fn list(known_hosts: &KnownHosts, output: &Output) -> Result<u8, Error> {
    for known in known_hosts.list()? {
        if output.json() {
            let event = Object::event("host").text("host", &known.host).number("port", known.port.into());
            output.event(event.text("fingerprint", &fingerprint::show(&known.key)));
        } else {
            output.print(format!("{}\n", known.line()).as_bytes())?;
        }
    }
    Ok(0)
}

fn remove(servers: &[(String, u16)], known_hosts: &KnownHosts, output: &Output) -> Result<u8, Error> {
    let mut unknown = false;
    for (host, port) in servers {
        if known_hosts.remove(host, *port)? {
            continue;
        }
        output.complain(&format!("{} is not among the known servers", address(host, *port)));
        unknown = true;
    }
    match (unknown, servers.len()) {
        (false, _) => Ok(0),
        (true, 1) => Ok(ftp_client::error::exit_code_of(FailureCode::NotFound)),
        (true, _) => Ok(1),
    }
}

fn server(text: &str) -> Result<(String, u16), Error> {
    parse_address(text).ok_or_else(|| Error::Usage(format!("{text:?} is not HOST or HOST:PORT")))
}
