//! The text that the other machine's user needs: the command to type, and the token.

use super::access;
use super::place::SharedPlace;
use crate::cli::args::ShareArgs;
use crate::cli::{output, reachable};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;
use serde::Serialize;
use std::io;
use std::net::{IpAddr, SocketAddr};
use wire::share_code::ShareCode;

/// The facts that the other machine needs.
pub(super) struct Invitation<'a> {
    pub(super) address: SocketAddr,
    pub(super) fingerprint: &'a str,
    pub(super) code: &'a ShareCode,
    pub(super) place: &'a SharedPlace,
    pub(super) args: &'a ShareArgs,
}

impl Invitation<'_> {
    /// Prints the text for people on standard error, and on standard output the commands and the token, or the JSON event.
    pub(super) fn print(&self) -> io::Result<()> {
        if self.args.output.json {
            return output::json_line(&self.event());
        }
        let what = if self.args.write { "to read and add to" } else { "to read" };
        let logins = if self.args.once { ", for one login" } else { "" };
        let time = humantime::format_duration(self.args.time);
        let place = self.place.shown();
        output::say(format_args!("Sharing {place} {what} for {time}{logins}. On the other machine run:"));
        output::line(self.get_command())?;
        if self.args.write {
            output::line(self.put_command())?;
        }
        output::say("and give it this token, when it asks or in FTPX_TOKEN:");
        output::line(self.code.text())?;
        let main = self.reachable();
        let others: Vec<String> =
            reachable::others(self.address, main.ip()).iter().map(IpAddr::to_string).collect();
        if !others.is_empty() {
            output::say(format_args!("Other addresses of this machine: {}", others.join(", ")));
        }
        if self.args.qr {
            output::say(self.qr()?);
        }
        Ok(())
    }

    fn event(&self) -> SharedEvent<'_> {
        SharedEvent {
            url: format!("{}?pin={}", self.url(), self.fingerprint),
            token: &self.code.token,
            access: access(self.args).word(),
            seconds: self.args.time.as_secs(),
            once: self.args.once,
        }
    }

    fn get_command(&self) -> String {
        let recursive = if self.place.only.is_some() { "" } else { "-r " };
        format!("ftp-client get {recursive}--token - {} .", self.word())
    }

    fn put_command(&self) -> String {
        format!("ftp-client put -r --token - FILE... {}", self.word())
    }

    /// The URL as a word of a shell. Some shells take the brackets of an address for a pattern.
    fn word(&self) -> String {
        let url = self.url();
        if url.contains('[') { format!("'{url}'") } else { url }
    }

    fn url(&self) -> String {
        let file = self.place.only.as_ref().map(|file| percent_encode(file.as_bytes(), &ESCAPED).to_string());
        format!("ftpx://{}/{}", self.reachable(), file.unwrap_or_default())
    }

    fn reachable(&self) -> SocketAddr {
        reachable::from(self.address)
    }

    /// The whole command as a QR code for terminals with light text on a dark ground.
    fn qr(&self) -> io::Result<String> {
        let command = format!("FTPX_TOKEN={} {}", self.code.text(), self.get_command());
        let code = QrCode::new(command).map_err(io::Error::other)?;
        Ok(code.render().dark_color(Dense1x2::Dark).light_color(Dense1x2::Light).build())
    }
}

/// Characters that URLs and shells take otherwise.
const ESCAPED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_');

/// The invitation as a JSON event.
#[derive(Serialize)]
#[serde(tag = "event", rename = "shared")]
struct SharedEvent<'a> {
    url: String,
    token: &'a str,
    access: &'static str,
    seconds: u64,
    once: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::{Args, ServerCommand};
    use clap::Parser;
    use wire::checksum::Digest;

    /// The command and the token for a share at an address.
    fn printed(address: &str, file: Option<&str>) -> (String, String) {
        let typed = Args::parse_from(["ftp-server", "share", "."]);
        let ServerCommand::Share(args) = typed.command else { panic!("another command") };
        let only = file.map(|file| wire::RemotePath::from_wire(file.as_bytes()).unwrap());
        let place = SharedPlace { root: "/srv".into(), only };
        let code = ShareCode { token: "0".repeat(32), server_key: Digest([7; 32]) };
        let address = address.parse().unwrap();
        let invitation = Invitation { address, fingerprint: "", code: &code, place: &place, args: &args };
        (invitation.get_command(), code.text())
    }

    #[test]
    fn what_is_to_be_typed_fits_on_a_line() {
        let (command, token) = printed("255.255.255.255:65535", None);
        assert_eq!(command, "ftp-client get -r --token - ftpx://255.255.255.255:65535/ .");
        assert_eq!((command.len() <= 80, token.len()), (true, 76));
        let (command, _) = printed("[2001:db8::1]:2121", Some("a b'\n.pdf"));
        assert_eq!(command, "ftp-client get --token - 'ftpx://[2001:db8::1]:2121/a%20b%27%0A.pdf' .");
    }
}
