//! An ssh-agent, as far as a login needs one: which keys it holds, and a signature by one of them
//! (draft-miller-ssh-agent, 3.5 and 3.6).

use super::{Signer, SshKey, unsupported};
use ssh_encoding::{Decode, Encode};
use ssh_key::public::KeyData;
use ssh_key::{PublicKey, Signature};
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use wire::escape::Escaped;
use wire::limits::LOGIN_TIMEOUT;

/// An agent. Each question is a connection of its own, so that none is left open while files move.
#[derive(Debug, Clone)]
pub struct Agent {
    socket: PathBuf,
}

impl Agent {
    /// The agent that listens on this socket.
    #[must_use]
    pub fn at(socket: impl Into<PathBuf>) -> Self {
        Self { socket: socket.into() }
    }

    /// Its keys that can log in, in its order.
    ///
    /// # Errors
    /// If it does not answer, or not as an agent does.
    pub fn keys(&self) -> io::Result<Vec<SshKey>> {
        let answer = self.ask(&[REQUEST_IDENTITIES], ANSWER_TIMEOUT)?;
        let mut reader = body(&answer, IDENTITIES_ANSWER)?;
        let count = u32::decode(&mut reader).map_err(malformed)?;
        let mut keys = Vec::new();
        for _ in 0..count {
            let blob = Vec::<u8>::decode(&mut reader).map_err(malformed)?;
            let comment = Vec::<u8>::decode(&mut reader).map_err(malformed)?;
            let supported = KeyData::decode(&mut &blob[..]).ok().filter(|key| unsupported(key).is_none());
            keys.extend(supported.map(|key| self.key(key, &comment)));
        }
        Ok(keys)
    }

    fn key(&self, public: KeyData, comment: &[u8]) -> SshKey {
        let origin = format!("agent: {}", Escaped(comment));
        SshKey { public: PublicKey::from(public), origin, signer: Arc::new(Signer::Agent(self.clone())) }
    }

    /// A signature by one of its keys. The agent may ask its user.
    pub(super) fn sign(&self, key: &KeyData, bytes: &[u8]) -> Result<Signature, String> {
        let mut blob = Vec::new();
        let mut question = vec![SIGN_REQUEST];
        let encoded = key
            .encode(&mut blob)
            .and_then(|()| blob.encode(&mut question))
            .and_then(|()| bytes.encode(&mut question))
            .and_then(|()| 0_u32.encode(&mut question));
        encoded.map_err(|error| error.to_string())?;
        let answer = self.ask(&question, LOGIN_TIMEOUT).map_err(|error| format!("the agent: {error}"))?;
        let mut reader = body(&answer, SIGN_RESPONSE).map_err(|_| "the agent refuses to sign")?;
        let signature = Vec::<u8>::decode(&mut reader).map_err(|error| error.to_string())?;
        Signature::decode(&mut &signature[..]).map_err(|error| error.to_string())
    }

    fn ask(&self, question: &[u8], patience: Duration) -> io::Result<Vec<u8>> {
        match self.exchange(question, patience) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                Err(io::Error::other(format!("no answer within {} s", patience.as_secs())))
            }
            answer => answer,
        }
    }

    fn exchange(&self, question: &[u8], patience: Duration) -> io::Result<Vec<u8>> {
        let mut stream = UnixStream::connect(&self.socket)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        let len = u32::try_from(question.len()).map_err(io::Error::other)?;
        stream.write_all(&[&len.to_be_bytes(), question].concat())?;
        let mut len = [0; 4];
        stream.read_exact(&mut len)?;
        let len = u32::from_be_bytes(len);
        if len > ANSWER_LEN_MAX {
            return Err(io::Error::other("an answer that is too long"));
        }
        let mut answer = Vec::new();
        stream.take(len.into()).read_to_end(&mut answer)?;
        Ok(answer)
    }
}

/// Returns the body of an answer, if its type is the expected one.
fn body(answer: &[u8], kind: u8) -> io::Result<&[u8]> {
    match answer.split_first() {
        Some((found, body)) if *found == kind => Ok(body),
        _ => Err(io::Error::other("not an answer to the question")),
    }
}

fn malformed(error: impl std::fmt::Display) -> io::Error {
    io::Error::other(format!("a malformed answer: {error}"))
}

const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES_ANSWER: u8 = 12;
const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;

/// OpenSSH's own bound.
const ANSWER_LEN_MAX: u32 = 256 * 1024;
/// A list takes no time, unless the agent is at the other end of a forwarded connection.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
