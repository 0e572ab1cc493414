//! Makes an archive of both programs for machines without a compiler: stripped, with manual pages, completions and an installer.

use crate::packages::{PROGRAMS, run, write_generated};
use anyhow::Result;
use std::env::consts::{ARCH, OS};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// Makes the archive in a folder. Returns its path.
///
/// # Errors
/// If a tool is missing or fails.
pub fn make(programs: &Path, folder: &Path) -> Result<PathBuf> {
    let name = format!("ftpx-{}-{ARCH}-{OS}", env!("CARGO_PKG_VERSION"));
    let (place, generated) = (TempDir::new()?, TempDir::new()?);
    let top = place.path().join(&name);
    for program in PROGRAMS {
        let built = programs.join(program);
        let stripped = made(&top, "bin", program)?;
        run(Command::new("strip").arg("-o").arg(stripped).arg(&built))?;
        write_generated(&built, generated.path())?;
        for page in fs::read_dir(generated.path().join("man"))? {
            let page = page?;
            fs::rename(page.path(), made(&top, "share/man/man1", &page.file_name().to_string_lossy())?)?;
        }
        for (shell, folder, file) in [
            ("bash", "share/bash-completion/completions", program.to_owned()),
            ("zsh", "share/zsh/site-functions", format!("_{program}")),
            ("fish", "share/fish/vendor_completions.d", format!("{program}.fish")),
        ] {
            fs::copy(generated.path().join(shell), made(&top, folder, &file)?)?;
        }
    }
    let sources = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    for (source, folder, file) in [
        ("ftp-server/packaging/install.sh", "", "install.sh"),
        ("README.md", "", "README.md"),
        ("LICENSE-MIT", "", "LICENSE-MIT"),
        ("LICENSE-APACHE", "", "LICENSE-APACHE"),
        ("CHANGELOG.md", "share/doc/ftpx", "CHANGELOG.md"),
        ("ftp-client/README.md", "share/doc/ftpx", "ftp-client.md"),
        ("ftp-client/EVENTS.md", "share/doc/ftpx", "EVENTS.md"),
        ("ftp-server/README.md", "share/doc/ftpx", "ftp-server.md"),
        ("ftp-server/SECURITY.md", "share/doc/ftpx", "SECURITY.md"),
    ] {
        fs::copy(sources.join(source), made(&top, folder, file)?)?;
    }
    let archive = folder.join(format!("{name}.tar.gz"));
    let mut tar = Command::new("tar");
    tar.args([
        "--create",
        "--sort=name",
        "--owner=0",
        "--group=0",
        "--numeric-owner",
        "--use-compress-program=gzip -9n",
    ]);
    run(tar.arg("--file").arg(&archive).arg("--directory").arg(place.path()).arg(&name))?;
    Ok(archive)
}

/// Returns the path of a file in a folder of the archive, which is made if it is missing.
fn made(top: &Path, folder: &str, file: &str) -> Result<PathBuf> {
    let folder = top.join(folder);
    fs::create_dir_all(&folder)?;
    Ok(folder.join(file))
}
