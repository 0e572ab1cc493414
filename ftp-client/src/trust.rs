//! Decides if the server at the other end is the right one.
//!
//! In this order: a pin decides alone; else the entry of `known_hosts`; else the key that a plan or result file has
//! recorded; else a certificate that the platform trusts for
//! this host; else the server is unknown, and the policy says what happens then. What the platform trusts does not
//! overrule an entry, and a key that is known to be wrong is never asked about: people say yes.

use crate::error::Error;
use crate::fingerprint::{self, ServerKey};
use crate::known_hosts::{KnownHost, KnownHosts};
use crate::remote::address;
use std::os::unix::ffi::OsStrExt;
use wire::escape::Escaped;

/// The identity that the server presented, after its TLS handshake proved that it holds the key.
pub struct ServerIdentity<'a> {
    /// The host that was asked for.
    pub host: &'a str,
    /// The port that was asked for.
    pub port: u16,
    /// SHA-256 of the server's public key (SPKI).
    pub key: ServerKey,
    /// Does the platform verify this certificate for this host? Asked only where it matters: it is slow.
    pub platform: &'a dyn Fn() -> bool,
}

/// Decides about servers.
pub trait ServerTrust: Send + Sync {
    /// Decides. May block (prompt, files).
    ///
    /// # Errors
    /// [`Error::Untrusted`] says why and what to do; others report that no decision was possible.
    fn decide(&self, presented: &ServerIdentity<'_>) -> Result<(), Error>;

    /// The only key that will be accepted, where that is known beforehand (a pin, or an entry of `known_hosts`).
    ///
    /// # Errors
    /// The known servers cannot be read.
    fn expected_key(&self, host: &str, port: u16) -> Result<Option<ServerKey>, Error>;
}

/// Asks a person a question that ends without an answer; true for yes.
pub type TrustPrompt = Box<dyn Fn(&str) -> bool + Send + Sync>;

/// The rule for a server whose key is not known.
pub enum OnUnknown {
    /// A person is asked.
    Ask(TrustPrompt),
    /// It is trusted and remembered.
    AcceptNew,
    /// It is refused.
    Refuse,
}

/// The rules that the command line offers.
pub struct Policy {
    pin: Option<ServerKey>,
    recorded: Option<ServerKey>,
    known_hosts: KnownHosts,
    unknown: OnUnknown,
}

impl Policy {
    /// With a pin, `known_hosts` is neither read nor written.
    #[must_use]
    pub fn new(pin: Option<ServerKey>, known_hosts: KnownHosts, unknown: OnUnknown) -> Self {
        Self { pin, recorded: None, known_hosts, unknown }
    }

    /// Also requires the key that a plan or result file has recorded. It stands in for the entry of an unknown server, and
    /// overrules neither a pin nor an entry.
    #[must_use]
    pub fn recorded(self, recorded: Option<ServerKey>) -> Self {
        Self { recorded, ..self }
    }

    fn decide_unknown(&self, presented: &ServerIdentity<'_>) -> Result<(), Error> {
        let accepted = match &self.unknown {
            OnUnknown::Ask(ask) => ask(&question(presented)),
            OnUnknown::AcceptNew => true,
            OnUnknown::Refuse => return Err(Error::Untrusted(unknown(presented))),
        };
        if accepted {
            self.remember(presented)
        } else {
            Err(Error::Untrusted(format!("the key of {} was not accepted", shown(presented))))
        }
    }

    fn remember(&self, presented: &ServerIdentity<'_>) -> Result<(), Error> {
        let host = presented.host.to_ascii_lowercase();
        self.known_hosts.add(&KnownHost { host, port: presented.port, key: presented.key })
    }

    fn changed(&self, presented: &ServerIdentity<'_>, known: &ServerKey) -> Error {
        let address = shown(presented);
        let file = Escaped(self.known_hosts.path().as_os_str().as_bytes()).to_string();
        Error::Untrusted(format!(
            "WARNING: THE IDENTITY OF {address} HAS CHANGED!\n\
             Somebody may be listening in on the connection right now, or the server was given a new key.\n\
             known:     {known}  (in {file})\n\
             presented: {presented}\n\
             Nothing was sent. Ask whoever runs the server for its fingerprint (`ftp-server fingerprint`).\n\
             If the new one is right, forget the old one with: ftp-client trust remove {address}",
            known = fingerprint::show(known),
            presented = fingerprint::show(&presented.key),
        ))
    }
}

impl ServerTrust for Policy {
    fn decide(&self, presented: &ServerIdentity<'_>) -> Result<(), Error> {
        let known = match &self.pin {
            Some(pin) if *pin != presented.key => return Err(pin_mismatch(presented, pin)),
            Some(pin) => Some(*pin),
            None => self.known_hosts.find(presented.host, presented.port)?,
        };
        match (known, self.recorded) {
            (Some(known), _) if known != presented.key => Err(self.changed(presented, &known)),
            (_, Some(recorded)) if recorded != presented.key => Err(other_key(presented, &recorded)),
            (Some(_), _) | (None, Some(_)) => Ok(()),
            (None, None) if (presented.platform)() => Ok(()),
            (None, None) => self.decide_unknown(presented),
        }
    }

    fn expected_key(&self, host: &str, port: u16) -> Result<Option<ServerKey>, Error> {
        match self.pin {
            Some(pin) => Ok(Some(pin)),
            None => Ok(self.known_hosts.find(host, port)?.or(self.recorded)),
        }
    }
}

fn pin_mismatch(presented: &ServerIdentity<'_>, pin: &ServerKey) -> Error {
    Error::Untrusted(format!(
        "WARNING: {address} IS NOT THE SERVER THAT WAS PINNED!\n\
         Somebody may be listening in on the connection right now, or the server was given a new key.\n\
         pinned:    {pinned}\n\
         presented: {presented}\n\
         Nothing was sent. Ask whoever runs the server for its fingerprint (`ftp-server fingerprint`).",
        address = shown(presented),
        pinned = fingerprint::show(pin),
        presented = fingerprint::show(&presented.key),
    ))
}

fn other_key(presented: &ServerIdentity<'_>, recorded: &ServerKey) -> Error {
    Error::Untrusted(format!(
        "{address} is not the server that the plan or result file is of.\n\
         recorded:  {recorded}\n\
         presented: {presented}\n\
         Nothing was sent. If the server was given a new key, run the original command again.",
        address = shown(presented),
        recorded = fingerprint::show(recorded),
        presented = fingerprint::show(&presented.key),
    ))
}

fn question(presented: &ServerIdentity<'_>) -> String {
    format!(
        "The server {} is not known yet. The fingerprint of its key is\n{}\nTrust it and connect?",
        shown(presented),
        fingerprint::show(&presented.key),
    )
}

fn unknown(presented: &ServerIdentity<'_>) -> String {
    let (address, key) = (shown(presented), fingerprint::show(&presented.key));
    format!(
        "the server {address} is not known; if its fingerprint is {key}, connect with --pin {key}, \
         or with --accept-new to trust it from now on"
    )
}

fn shown(presented: &ServerIdentity<'_>) -> String {
    Escaped(address(presented.host, presented.port).as_bytes()).to_string()
}

#[cfg(test)]
mod tests;
