//! The Debian packages: made of the current programs, installed below a folder of their own, used from there, and removed.

use crate::support::{assert_same, chmod, content, is_root, names_below, output};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;
use tests::packages;
use tests::world::{PASSWORD, Server, binaries};

/// A machine that consists only of its disk.
struct Machine {
    disk: TempDir,
}

#[test]
fn packages_are_complete_work_and_go_without_what_is_not_theirs() {
    if let Some(reason) = missing() {
        println!("skipped: {reason}");
        return;
    }
    let made = TempDir::new().unwrap();
    let packages =
        packages::make(binaries().server.parent().unwrap(), made.path(), packages::Size::Quick).unwrap();
    let machine = Machine::empty();
    machine.dpkg(["--install"].map(Path::new).into_iter().chain(packages.iter().map(PathBuf::as_path)));
    machine.has_what_the_programs_need();
    machine.has_small_programs();
    machine.has_pages_that_can_be_read();
    machine.has_completions();
    machine.moves_a_tree();

    machine.dpkg(["--remove", "ftpx-server", "ftpx-client"]);
    let kept =
        ["etc/ftp-server/config.toml", "var/lib/ftp-server/identity.pem", "var/lib/ftp-server/users.toml"];
    let left = machine.files();
    assert!(
        kept.iter().all(|path| left.contains(Path::new(path))),
        "what a later install goes on with: {left:?}"
    );
    assert!(left.iter().all(|path| !path.starts_with("usr")), "{left:?}");

    machine.dpkg(["--purge", "ftpx-server", "ftpx-client"]);
    let left: Vec<PathBuf> = machine.files().into_iter().filter(|path| !is_of_the_account(path)).collect();
    assert_eq!(
        left,
        [PathBuf::from("var/lib/ftp-server/ann/tree/file")],
        "what users have sent, and nothing else"
    );
}

#[test]
fn an_install_starts_what_is_enabled_and_an_upgrade_nothing_that_was_stopped() {
    let Some(installed) = told_by_scripts("install") else {
        println!("skipped: only root, where it may mount, plays a machine that runs systemd");
        return;
    };
    let begun = |unit: &str| installed.contains(&format!("deb-systemd-invoke start ftp-server.{unit}\n"));
    assert!(begun("socket") && begun("service") && !installed.contains("restart"), "{installed}");
    let upgraded = told_by_scripts("upgrade").unwrap();
    assert!(upgraded.contains("deb-systemd-invoke try-restart ftp-server.service\n"), "{upgraded}");
    assert!(!upgraded.contains("invoke start"), "{upgraded}");
}

/// Returns the calls that the package's scripts make on a machine that runs systemd, which starts only enabled units.
fn told_by_scripts(action: &str) -> Option<String> {
    let play = r#"
        mount -t tmpfs none /run || exit 99
        mkdir -p /run/systemd/system /run/tools
        for tool in systemd-sysusers systemd-tmpfiles systemctl deb-systemd-helper deb-systemd-invoke; do
            printf '#!/bin/sh\necho %s "$@" >>/run/told\n' "$tool" >"/run/tools/$tool"
            chmod +x "/run/tools/$tool"
        done
        PATH="/run/tools:$PATH"
        "$1/preinst" "$2" 0.1.0-1
        "$1/postinst" configure 0.1.0-1
        cat /run/told
    "#;
    let scripts = concat!(env!("CARGO_MANIFEST_DIR"), "/../ftp-server/packaging/debian");
    let mut command = Command::new("unshare");
    let ran = output(command.args(["--mount", "sh", "-ec", play, "sh", scripts, action]))?;
    let told = String::from_utf8(ran.stdout).unwrap();
    match ran.status.code() {
        Some(0) => Some(told),
        _ if told.is_empty() && !is_root() => None,
        Some(99) => None,
        code => panic!("{code:?}: {told}{}", String::from_utf8_lossy(&ran.stderr)),
    }
}

impl Machine {
    fn empty() -> Self {
        let disk = TempDir::with_prefix("ftpx-machine-").unwrap();
        let dpkg = disk.path().join("var/lib/dpkg");
        fs::create_dir_all(dpkg.join("updates")).unwrap();
        fs::create_dir_all(dpkg.join("info")).unwrap();
        fs::write(dpkg.join("status"), "").unwrap();
        Self { disk }
    }

    /// Runs dpkg. The packages' dependencies are libraries of the real machine.
    fn dpkg<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) {
        let mut dpkg = Command::new("dpkg");
        dpkg.arg(format!("--root={}", self.disk.path().display()));
        dpkg.args(["--force-depends", "--force-script-chrootless", "--log=/dev/null"]).args(arguments);
        let ran = output(&mut dpkg).expect("dpkg was there");
        assert!(ran.status.success(), "{dpkg:?}: {}", String::from_utf8_lossy(&ran.stderr));
    }

    fn path(&self, path: &str) -> PathBuf {
        self.disk.path().join(path)
    }

    /// Returns everything but folders, without dpkg's own files.
    fn files(&self) -> BTreeSet<PathBuf> {
        let names = names_below(self.disk.path()).into_iter();
        let files = names.filter(|path| !path.is_dir());
        let relative = files.map(|path| path.strip_prefix(self.disk.path()).unwrap().to_owned());
        relative.filter(|path| !path.starts_with("var/lib/dpkg")).collect()
    }

    fn has_what_the_programs_need(&self) {
        for path in names_below(&self.path("usr")).iter().filter(|path| path.is_file()) {
            let metadata = fs::metadata(path).unwrap();
            let expected =
                if path.parent().is_some_and(|folder| folder.ends_with("usr/bin")) { 0o755 } else { 0o644 };
            assert_eq!((metadata.mode() & 0o7777, metadata.uid()), (expected, 0), "{}", path.display());
        }
        let packaging = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../ftp-server/packaging"));
        for (installed, source) in [
            ("usr/lib/systemd/system/ftp-server.service", "ftp-server.service"),
            ("usr/lib/systemd/system/ftp-server.socket", "ftp-server.socket"),
            ("etc/ftp-server/config.toml", "config.toml"),
        ] {
            assert_eq!(fs::read(self.path(installed)).unwrap(), fs::read(packaging.join(source)).unwrap());
        }
        let conffiles = fs::read_to_string(self.path("var/lib/dpkg/info/ftpx-server.conffiles")).unwrap();
        assert_eq!(conffiles.trim(), "/etc/ftp-server/config.toml");
        for (package, words, further) in [
            ("ftpx-server", "ftp-server serve", "SECURITY.md"),
            ("ftpx-client", "ftp-client get", "EVENTS.md"),
        ] {
            let documents = self.path("usr/share/doc").join(package);
            assert!(documents.join(further).is_file());
            assert!(fs::read_to_string(documents.join("README.md")).unwrap().contains(words));
            let copyright = fs::read_to_string(documents.join("copyright")).unwrap();
            assert!(
                copyright.contains("License: MIT or Apache-2.0") && copyright.contains("WITHOUT WARRANTY")
            );
            assert!(unpacked(&documents.join("changelog.gz")).starts_with("# Changelog"));
        }
        // The account of the unit, and its folder, which is closed to others.
        let accounts = fs::read_to_string(self.path("etc/passwd")).unwrap();
        let account = accounts.lines().find(|line| line.starts_with("ftp-server:")).unwrap();
        let state = fs::metadata(self.path("var/lib/ftp-server")).unwrap();
        assert_eq!(account.split(':').nth(2), Some(state.uid().to_string().as_str()));
        assert_eq!(state.permissions().mode() & 0o7777, 0o700);
    }

    /// Checks that debug information is left out.
    fn has_small_programs(&self) {
        for built in [&binaries().server, &binaries().client] {
            let installed = self.path("usr/bin").join(built.file_name().unwrap());
            let len = |path: &Path| fs::metadata(path).unwrap().len();
            assert!(len(&installed) < len(built) / 2, "{}: {} bytes", installed.display(), len(&installed));
        }
    }

    fn has_pages_that_can_be_read(&self) {
        let pages = self.path("usr/share/man/man1");
        for page in
            ["ftp-server", "ftp-server-user-add", "ftp-client", "ftp-client-get", "ftp-client-profile-add"]
        {
            let page = pages.join(format!("{page}.1.gz"));
            assert!(unpacked(&page).contains(".SH NAME"), "{}", page.display());
            let mut man = Command::new("man");
            man.arg("-l").arg(&page).env("MANPAGER", "cat").env("MANWIDTH", "100").env("LC_ALL", "C.UTF-8");
            match output(&mut man) {
                Some(ran) if ran.status.success() => {
                    let text = String::from_utf8_lossy(&ran.stdout).into_owned();
                    assert!(
                        text.contains("SYNOPSIS") && text.contains("Example"),
                        "{}: {text}",
                        page.display()
                    );
                }
                Some(ran) => panic!("{}: {}", page.display(), String::from_utf8_lossy(&ran.stderr)),
                None => println!("skipped: man is not installed"),
            }
        }
        // Every page that a page refers to exists.
        for page in fs::read_dir(&pages).unwrap().map(|page| page.unwrap().path()) {
            for other in referred_pages(&unpacked(&page)) {
                assert!(pages.join(format!("{other}.1.gz")).exists(), "{} names {other}(1)", page.display());
            }
        }
    }

    fn has_completions(&self) {
        for program in packages::PROGRAMS {
            let script = self.path("usr/share/bash-completion/completions").join(program);
            let mut bash = Command::new("bash");
            bash.args(["--norc", "-c", "source \"$1\" && complete -p \"$2\"", "bash"])
                .arg(script)
                .arg(program);
            match output(&mut bash) {
                Some(ran) => assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr)),
                None => println!("skipped: bash is not installed"),
            }
            let zsh = self.path("usr/share/zsh/vendor-completions").join(format!("_{program}"));
            assert!(fs::read_to_string(zsh).unwrap().starts_with(&format!("#compdef {program}")));
            let fish = self.path("usr/share/fish/vendor_completions.d").join(format!("{program}.fish"));
            assert!(fs::read_to_string(fish).unwrap().contains("complete -c"));
        }
    }

    /// Transfers a tree with a server of this disk, with its configuration and state, and a client of it.
    fn moves_a_tree(&self) {
        let here = TempDir::new().unwrap();
        let (sent, fetched) = (here.path().join("tree"), here.path().join("fetched"));
        fs::create_dir(&sent).unwrap();
        fs::write(sent.join("file"), content(1, 300_000)).unwrap();
        let password = here.path().join("password");
        fs::write(&password, PASSWORD).unwrap();
        chmod(&password, 0o600);
        // The account exists on this disk only: root stands in for it.
        chown(self.path("var/lib/ftp-server"), Some(0), Some(0)).unwrap();
        let root = self.path("var/lib/ftp-server/ann");
        fs::create_dir(&root).unwrap();

        let mut add = self.server(["user", "add", "ann", "--access", "full"]);
        add.arg("--root").arg(&root).arg("--password-file").arg(&password);
        let added = add.output().unwrap();
        assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
        let mut server =
            Server::start(self.server(["serve", "--listen", "127.0.0.1:0"]), here.path().join("log"));
        let url = format!("ftpx://ann@{}/tree?pin={}", server.address, server.fingerprint);
        let client = |words: [&OsStr; 4]| {
            let mut command = Command::new(self.path("usr/bin/ftp-client"));
            command.env_clear().env("HOME", here.path()).args(words).arg("--password-file").arg(&password);
            let ran = output(&mut command).expect("the installed client");
            assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        };
        client(["put".as_ref(), "-r".as_ref(), sent.as_ref(), url.as_ref()]);
        client(["get".as_ref(), "-r".as_ref(), url.as_ref(), fetched.as_ref()]);
        assert_same(&sent, &fetched);
        assert_eq!(server.terminate(), Some(0));
    }

    fn server<const N: usize>(&self, words: [&str; N]) -> Command {
        let mut command = Command::new(self.path("usr/bin/ftp-server"));
        command.args(words).arg("--config").arg(self.path("etc/ftp-server/config.toml"));
        command.arg("--state").arg(self.path("var/lib/ftp-server"));
        command
    }
}

/// Returns a missing requirement of this machine.
fn missing() -> Option<&'static str> {
    let is_there = |tool: &str| output(Command::new(tool).arg("--version")).is_some();
    if !is_root() {
        Some("only root installs packages")
    } else if !is_there("dpkg") {
        Some("dpkg is not installed")
    } else if !is_there("systemd-sysusers") {
        Some("systemd-sysusers is not installed")
    } else if !packages::can_be_made() {
        Some("cargo-deb is not installed: cargo install cargo-deb")
    } else {
        None
    }
}

/// True for accounts and the notes about units, which stay when a package is purged, as usual on Debian.
fn is_of_the_account(path: &Path) -> bool {
    ["passwd", "group", "shadow", "gshadow", ".pwd.lock"]
        .iter()
        .any(|name| path == Path::new("etc").join(name))
}

fn unpacked(path: &Path) -> String {
    let ran = output(Command::new("gzip").arg("-dc").arg(path)).expect("gzip is part of every Debian");
    assert!(ran.status.success(), "{}", path.display());
    String::from_utf8(ran.stdout).unwrap()
}

/// Returns the names of pages in a page's list of commands.
fn referred_pages(page: &str) -> Vec<String> {
    let plain = page.replace("\\-", "-").replace("\\fR", "").replace("\\fB", "");
    let words = plain.split_whitespace().filter_map(|word| word.split_once("(1)"));
    words.map(|(name, _)| name.to_owned()).filter(|name| name.starts_with("ftp-")).collect()
}

/// The archive installs into any folder, works from there, and goes again.
#[test]
fn the_archive_installs_what_it_has_and_removes_it() {
    let place = TempDir::new().unwrap();
    let programs = binaries().server.parent().unwrap();
    let archive = match tests::archive::make(programs, place.path()) {
        Err(error) if output(Command::new("strip").arg("--version")).is_none() => {
            return println!("skipped: {error:#}");
        }
        archive => archive.unwrap(),
    };
    let name = archive.file_name().unwrap().to_str().unwrap().strip_suffix(".tar.gz").unwrap();
    assert!(name.starts_with("ftpx-0.") && name.ends_with("-linux"), "{name}");
    let ran = |command: &mut Command| {
        let ran = output(command.current_dir(place.path())).expect("the command is there");
        assert!(ran.status.success(), "{command:?}: {}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8(ran.stdout).unwrap()
    };
    ran(Command::new("tar").arg("xf").arg(&archive));
    let installer = place.path().join(name).join("install.sh");
    for _ in 0..2 {
        let told = ran(Command::new(&installer).arg("a prefix"));
        assert!(told.contains("put this into your shell's profile"), "{told}");
    }
    let prefix = place.path().join("a prefix");
    let names: BTreeSet<_> = names_below(&prefix).into_iter().filter(|path| path.is_file()).collect();
    for path in [
        "bin/ftp-server",
        "bin/ftp-client",
        "share/man/man1/ftp-client-get.1.gz",
        "share/man/man1/ftp-server-share.1.gz",
        "share/bash-completion/completions/ftp-client",
        "share/zsh/site-functions/_ftp-server",
        "share/fish/vendor_completions.d/ftp-client.fish",
        "share/doc/ftpx/ftp-client.md",
    ] {
        assert!(names.contains(&prefix.join(path)), "{path}: {names:?}");
    }
    for program in packages::PROGRAMS {
        let installed = prefix.join("bin").join(program);
        assert_eq!(fs::metadata(&installed).unwrap().mode() & 0o7777, 0o755);
        assert!(ran(Command::new(&installed).arg("--version")).contains(env!("CARGO_PKG_VERSION")));
    }
    fs::write(prefix.join("share/of-somebody-else"), "").unwrap();
    ran(Command::new(&installer).arg("--uninstall").arg(&prefix));
    let left: Vec<_> = names_below(&prefix).into_iter().filter(|path| path.is_file()).collect();
    assert_eq!(left, [prefix.join("share/of-somebody-else")]);
    assert_eq!(Command::new(&installer).arg("--help").output().unwrap().status.code(), Some(2));
}
