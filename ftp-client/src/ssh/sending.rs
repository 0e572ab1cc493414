//! Brings the server's program to a host that lacks it: through ssh, to a file beside its place, which gets its name once its digest is
//! proven.

use super::command::SshCommand;
use std::path::Path;
use std::process::Stdio;
use tokio::io::AsyncWriteExt;
use wire::sha256::Sha256;

/// Copies the program `local` to `~/.local/bin/ftp-server` at the other end, which must be the same kind of system.
///
/// # Errors
/// A sentence that says why it is not there.
pub(super) async fn send(ssh: &SshCommand, local: &Path) -> Result<(), String> {
    let program =
        std::fs::read(local).map_err(|error| format!("cannot read {}: {error}", local.display()))?;
    let digest = Sha256::digest(&program).to_string();
    let temporary = format!(".ftp-server.{}", &digest[..16]);
    let failed = |error: std::io::Error| error.to_string();
    let mut sending = ssh.run(&receiving(&temporary));
    let mut child = sending.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(failed)?;
    let stdin = child.stdin.take();
    let writing = async {
        if let Some(mut stdin) = stdin {
            let _ = stdin.write_all(&program).await; // the other end says what is wrong
        }
    };
    let ((), output) = tokio::join!(writing, child.wait_with_output());
    let output = output.map_err(failed)?;
    match output.status.code() {
        Some(0) if String::from_utf8_lossy(&output.stdout).contains(&digest) => {}
        Some(0) => return Err("the program arrived damaged".to_owned()),
        Some(OTHER_SYSTEM) => {
            return Err(format!(
                "the system there is not {} on {}",
                std::env::consts::OS,
                std::env::consts::ARCH
            ));
        }
        _ => return Err("the program cannot be written to ~/.local/bin there".to_owned()),
    }
    let rename = format!("sh -c 'cd ~/.local/bin && mv {temporary} ftp-server'");
    match ssh.run(&rename).stdin(Stdio::null()).stdout(Stdio::null()).status().await {
        Ok(status) if status.success() => Ok(()),
        _ => Err("the program cannot be put into ~/.local/bin there".to_owned()),
    }
}

/// The command that takes the program from its standard input and prints its digest.
fn receiving(temporary: &str) -> String {
    format!(
        "sh -c 'test \"$(uname -m)\" = {} || exit {OTHER_SYSTEM}; mkdir -p ~/.local/bin && cd ~/.local/bin && cat >{temporary} && \
         chmod 755 {temporary} && sha256sum {temporary}'",
        std::env::consts::ARCH
    )
}

/// Says that a program of this system does not run there.
const OTHER_SYSTEM: i32 = 90;
