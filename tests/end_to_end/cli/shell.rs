//! The interactive shell in a real terminal (tmux's); skipped without tmux.

use crate::support::{content, output, wait_until};
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use tests::world::{World, binaries};

/// A terminal with a program in it.
pub(crate) struct Terminal {
    socket: PathBuf,
}

impl Terminal {
    /// Starts one with our shell.
    fn start(world: &World, columns: u32) -> Option<Self> {
        Self::with_shell(world, columns, "--retry=0")
    }

    fn with_shell(world: &World, columns: u32, options: &str) -> Option<Self> {
        let (program, url, password) = (&binaries().client, world.url(""), world.password_file());
        let (program, password) = (program.display(), password.display());
        Self::running(
            world,
            columns,
            &format!("{program} shell {options} --password-file {password} '{url}'"),
        )
    }

    /// Starts one that runs a command line; `None` if tmux is not installed.
    pub(crate) fn running(world: &World, columns: u32, line: &str) -> Option<Self> {
        if output(Command::new("tmux").arg("-V")).is_none() {
            println!("skipped: tmux is not installed");
            return None;
        }
        let terminal = Self { socket: world.state().join("tmux") };
        let mut command = terminal.tmux();
        command
            .current_dir(world.local())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", world.local().parent().unwrap()).env("LC_ALL", "C.UTF-8").env("TERM", "xterm");
        command.args(["-f", "/dev/null", "new-session", "-d", "-y", "50", "-x", &columns.to_string()]);
        command.arg(format!("{line}; sleep 60"));
        let mut started = command.output().unwrap();
        for _ in 0..3 {
            // On a busy machine tmux's own two processes may miss each other.
            if String::from_utf8_lossy(&started.stderr).contains("server exited unexpectedly") {
                started = command.output().unwrap();
            }
        }
        assert!(started.status.success(), "tmux: {}", String::from_utf8_lossy(&started.stderr));
        Some(terminal)
    }

    fn tmux(&self) -> Command {
        let mut command = Command::new("tmux");
        command.arg("-S").arg(&self.socket).stdin(Stdio::null());
        command
    }

    /// Types; `Tab`, `Enter`, `C-c` and the like are keys.
    pub(crate) fn keys(&self, keys: &[&str]) {
        assert!(self.tmux().args(["send-keys", "-t", ":0"]).args(keys).status().unwrap().success());
    }

    /// True if typed characters are echoed.
    pub(crate) fn echoes(&self) -> bool {
        let name = self.tmux().args(["display-message", "-p", "-t", ":0", "#{pane_tty}"]).output().unwrap();
        let name = String::from_utf8(name.stdout).unwrap();
        let ran = Command::new("stty").args(["-a", "-F", name.trim()]).output().unwrap();
        assert!(ran.status.success(), "stty {name}: {}", String::from_utf8_lossy(&ran.stderr));
        !String::from_utf8_lossy(&ran.stdout).split_whitespace().any(|word| word == "-echo")
    }

    fn line(&self, text: &str) {
        self.keys(&["-l", text]);
        self.keys(&["Enter"]);
    }

    /// Pastes like a terminal: bracketed, if the program requested that, or as keys.
    fn paste(&self, text: &str, bracketed: bool) {
        let mut load = self.tmux();
        let mut load = load.args(["load-buffer", "-"]).stdin(Stdio::piped()).spawn().unwrap();
        load.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        assert!(load.wait().unwrap().success());
        let options: &[&str] = if bracketed { &["-p"] } else { &[] };
        let mut paste = self.tmux();
        assert!(paste.arg("paste-buffer").args(options).args(["-t", ":0"]).status().unwrap().success());
    }

    fn title(&self) -> String {
        let told = self.tmux().args(["display-message", "-p", "-t", ":0", "#{pane_title}"]).output().unwrap();
        String::from_utf8_lossy(&told.stdout).into_owned()
    }

    pub(crate) fn screen(&self) -> String {
        let captured = self.tmux().args(["capture-pane", "-p", "-t", ":0"]).output().unwrap();
        String::from_utf8_lossy(&captured.stdout).into_owned()
    }

    /// The screen, with the colours of its text.
    pub(crate) fn screen_with_colors(&self) -> String {
        let captured = self.tmux().args(["capture-pane", "-p", "-e", "-t", ":0"]).output().unwrap();
        String::from_utf8_lossy(&captured.stdout).into_owned()
    }

    /// Waits until the screen shows the text.
    pub(crate) fn see(&self, text: &str) {
        let text = text.trim_end(); // the screen drops trailing spaces
        let mut screen = String::new();
        wait_until(&format!("the screen shows {text:?}"), || {
            screen = self.screen();
            screen.contains(text)
        });
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the screen:\n{}", self.screen());
        }
        let _ = self.tmux().arg("kill-server").output(); // it may have ended by itself
    }
}

#[test]
fn commands_are_typed_with_completion_and_history() {
    let world = World::serving();
    fs::create_dir_all(world.root().join("a folder/deep")).unwrap();
    fs::write(world.local().join("some file"), "content").unwrap();
    world.check(["profile", "add", "work", &world.url("")]);
    let Some(terminal) = Terminal::start(&world, 100) else { return };
    terminal.see(":/> ");
    terminal.keys(&["-l", "cd a"]);
    terminal.keys(&["Tab"]);
    terminal.see("cd a\\ folder/");
    terminal.keys(&["Enter"]);
    terminal.see(":/a folder> ");
    terminal.keys(&["-l", "pu"]);
    terminal.keys(&["Tab"]);
    terminal.keys(&["-l", " so"]);
    terminal.keys(&["Tab"]);
    terminal.see("put some\\ file");
    terminal.keys(&["Enter"]);
    wait_until("the file arrives", || world.root().join("a folder/some file").exists());
    terminal.keys(&["-l", "ls \"../a f"]);
    terminal.keys(&["Tab"]);
    terminal.see("ls ../a\\ folder/");
    terminal.keys(&["C-u"]);
    terminal.keys(&["-l", "ls work:a"]);
    terminal.keys(&["Tab"]);
    terminal.see("ls work:a\\ folder/");
    terminal.keys(&["C-u"]);
    terminal.keys(&["-l", "open wo"]);
    terminal.keys(&["Tab"]);
    terminal.see("open work:");
    terminal.keys(&["C-u"]);
    terminal.keys(&["-l", "put --overwrite never so"]);
    terminal.keys(&["Tab"]);
    terminal.see("never some\\ file");
    terminal.keys(&["C-u"]);
    terminal.line("nonsense");
    terminal.see("unrecognized subcommand");
    terminal.line("rm gone");
    terminal.see("/a folder/gone: ");
    terminal.line("!echo from$((1+1))here");
    terminal.see("from2here");
    terminal.line("help limit");
    terminal.see("Limit the rate");
    terminal.line("help put");
    terminal.see("  put report.pdf /inbox/");
    terminal.line("history");
    terminal.see("2  put some\\ file");
    terminal.line("mkdir $HOMELESS");
    terminal.see("HOMELESS is not set");
    terminal.line("exit");
    let history = world.local().parent().unwrap().join(".local/state/ftp-client/history");
    wait_until("the history is kept", || {
        fs::read_to_string(&history).is_ok_and(|text| text.contains("put some"))
    });
}

#[test]
fn ctrl_c_stops_the_transfer_and_not_the_shell() {
    let world = World::serving();
    fs::write(world.root().join("big"), content(1, 8_000_000)).unwrap();
    let Some(terminal) = Terminal::start(&world, 100) else { return };
    terminal.see(":/> ");
    terminal.line("limit 200K");
    terminal.line("get big first");
    wait_until("the transfer begins", || fs::read_dir(world.local()).unwrap().count() > 0);
    terminal.keys(&["C-c"]);
    terminal.see("interrupted");
    terminal.line("limit 0");
    terminal.line("get big second");
    wait_until("the file is there", || world.local().join("second").exists());
    assert!(!world.local().join("first").exists());
    assert_eq!(fs::read(world.local().join("second")).unwrap(), content(1, 8_000_000));
}

#[test]
fn jobs_run_in_the_background_and_are_killed_waited_for_and_queued() {
    let world = World::serving();
    fs::write(world.local().join("big"), content(2, 8_000_000)).unwrap();
    fs::write(world.local().join("small"), "small").unwrap();
    let Some(terminal) = Terminal::start(&world, 100) else { return };
    terminal.see(":/> ");
    terminal.line("limit 200K");
    terminal.line("put big slow&");
    terminal.see("[1] begun");
    terminal.line("jobs");
    terminal.see("[1] put big slow: ");
    terminal.line("exit");
    terminal.see("1 in the background");
    terminal.line("kill %1");
    terminal.see("[1] put big slow: stopped");
    terminal.line("limit 0");
    terminal.line("queue put big one");
    terminal.line("queue put small two");
    terminal.line("wait");
    terminal.see("[2] put big one: done");
    terminal.see("[3] put small two: done");
    assert_eq!(fs::read(world.root().join("one")).unwrap(), content(2, 8_000_000));
    assert!(world.root().join("two").exists() && !world.root().join("slow").exists());
}

#[test]
fn a_job_tells_of_its_lost_connection_by_its_number() {
    let mut world = World::serving();
    fs::write(world.local().join("big"), content(2, 8_000_000)).unwrap();
    let Some(terminal) = Terminal::with_shell(&world, 200, "--limit-rate 200K") else { return };
    terminal.see(":/> ");
    terminal.line("put big&");
    wait_until("the transfer begins", || fs::read_dir(world.root()).unwrap().count() > 0);
    world.server_mut().kill();
    terminal.see("ftp-client: [1] warning: lost the connection");
    assert!(!terminal.screen().contains("close_notify"));
    terminal.line("kill 1");
    terminal.see("[1] put big: stopped");
}

#[test]
fn a_narrow_terminal_and_a_server_that_goes_are_lived_with() {
    let mut world = World::serving();
    fs::write(world.local().join("big"), content(3, 3_000_000)).unwrap();
    let Some(terminal) = Terminal::start(&world, 20) else { return };
    terminal.see(":/> ");
    terminal.line("mkdir wide");
    terminal.line("cd wide");
    terminal.see("/wide> ");
    terminal.line("put big");
    wait_until("the file arrives", || world.root().join("wide/big").exists());
    world.server_mut().kill();
    terminal.line("ls");
    wait_until("it is told", || {
        let screen = terminal.screen().replace('\n', "");
        screen.contains("connecting again") || screen.contains("lost the connection")
    });
    terminal.line("lpwd");
    wait_until("the shell goes on", || terminal.screen().replace('\n', "").contains("/local"));
}

#[test]
fn pasted_lines_run_one_after_the_other_and_stop_where_one_fails() {
    let world = World::serving();
    for name in ["pa", "pb"] {
        fs::create_dir(world.root().join(name)).unwrap();
        fs::write(world.root().join(name).join(format!("in {name}")), "").unwrap();
    }
    let Some(terminal) = Terminal::start(&world, 100) else { return };
    let paste = |text: &str| {
        wait_until("the shell asks", || {
            terminal.screen().trim_end().lines().last().is_some_and(|line| line.ends_with('>'))
        });
        terminal.paste(text, true);
        terminal.keys(&["Enter"]);
    };
    terminal.see(":/> ");
    paste("rm -r pa\nls pb\n");
    terminal.see("in pb");
    assert!(!world.root().join("pa").exists() && world.root().join("pb/in pb").exists());
    paste("mkdir never\ndance\n");
    terminal.see("line 2: unrecognized subcommand 'dance'");
    paste("mkdir never\nrm pa; ls pb\n");
    terminal.see("line 2: an unquoted ';'");
    paste("mkdir one\nrm gone\nmkdir never\n!touch never\n");
    terminal.see("2 lines after it were not run");
    paste("!false\nmkdir never");
    terminal.see("1 line after it was not run");
    paste("cd pb\n# a comment\n\n!touch here\nmkdir two\nhistory\n");
    terminal.see("  !touch here"); // a line of the history each
    terminal.see(":/pb> ");
    assert!(world.root().join("one").exists() && world.root().join("pb/two").exists());
    assert!(!world.root().join("never").exists() && !world.local().join("never").exists());
    assert!(world.local().join("here").exists());
}

#[test]
fn lines_that_are_typed_ahead_are_run() {
    let world = World::serving();
    let Some(terminal) = Terminal::start(&world, 100) else { return };
    terminal.see(":/> ");
    terminal.line("!touch begun; until test -e go; do sleep 0.05; done");
    wait_until("the command runs", || world.local().join("begun").exists());
    for name in ["a", "b", "c"] {
        terminal.line(&format!("mkdir {name}"));
    }
    terminal.see("mkdir c");
    fs::write(world.local().join("go"), "").unwrap();
    wait_until("all are run", || ["a", "b", "c"].iter().all(|name| world.root().join(name).exists()));
    terminal.paste("mkdir d\nmkdir e\nmkdir f\n", false);
    wait_until("all are run", || ["d", "e", "f"].iter().all(|name| world.root().join(name).exists()));
}

/// Like a terminal discards typed-ahead input.
#[test]
fn ctrl_c_gives_up_what_was_typed_ahead() {
    let world = World::serving();
    fs::write(world.root().join("big"), content(1, 8_000_000)).unwrap();
    fs::write(world.local().join("small"), "").unwrap();
    let Some(terminal) = Terminal::start(&world, 100) else { return };
    terminal.see(":/> ");
    terminal.line("limit 200K");
    terminal.paste("get big first\nmkdir never\n", false);
    wait_until("the transfer begins", || fs::read_dir(world.local()).unwrap().count() > 1);
    terminal.keys(&["C-c"]);
    terminal.see("interrupted");
    terminal.line("mkdir after");
    wait_until("the shell goes on", || world.root().join("after").exists());
    terminal.line("put small &");
    terminal.see("[1] put small: done");
    assert!(!world.root().join("never").exists());
}

/// Its target is the folder that was the current one when it began.
#[test]
fn a_job_in_the_background_ends_well_after_the_current_folder_has_changed() {
    let world = World::serving();
    fs::create_dir(world.root().join("tree")).unwrap();
    fs::write(world.root().join("tree/large"), content(1, 8_000_000)).unwrap();
    fs::create_dir(world.local().join("elsewhere")).unwrap();
    let Some(terminal) = Terminal::start(&world, 100) else { return };
    terminal.see(":/> ");
    terminal.line("limit 4M");
    terminal.line("get -r tree &");
    wait_until("the transfer begins", || world.local().join("tree").exists());
    terminal.line("lcd elsewhere");
    terminal.see("[1] get -r tree: done");
    assert_eq!(fs::metadata(world.local().join("tree/large")).unwrap().len(), 8_000_000);
}

/// Names come from the server's operator and are not trusted.
#[test]
fn names_of_a_server_do_not_speak_to_the_terminal() {
    let world = World::serving();
    fs::create_dir(world.root().join("evil")).unwrap();
    for name in ["a\x1b]0;PWNED\x07x", "a\nrm b", "a\u{202e}z", "ab", "ac"] {
        fs::write(world.root().join("evil").join(name), "").unwrap();
    }
    let Some(terminal) = Terminal::start(&world, 100) else { return };
    terminal.see(":/> ");
    terminal.keys(&["-l", "ls evil/"]);
    terminal.keys(&["Tab", "Tab"]);
    wait_until("the names are listed", || {
        let screen = terminal.screen();
        let listed = screen.lines().find(|line| line.starts_with("ab")).map(str::to_owned);
        listed.is_some_and(|listed| listed.split_whitespace().eq(["ab", "ac", "a\\u{202e}z"]))
    });
    assert!(!terminal.screen().contains("rm b") && !terminal.title().contains("PWNED"));
}

#[test]
fn options_of_the_whole_shell_are_told_from_those_of_a_line() {
    let world = World::serving();
    let Some(terminal) = Terminal::start(&world, 200) else { return };
    terminal.see(":/> ");
    terminal.line("put huge --limit-rate 20M");
    terminal.see("'--limit-rate' belongs to the whole script or shell");
    terminal.see("or write a line: limit RATE");
    terminal.line("ls --lanes=3");
    terminal.see("or write a line: lanes N");
    terminal.line("ls -q");
    terminal.see("'-q' belongs to the whole script or shell");
    assert!(!terminal.screen().contains("as a value"), "clap's tip");
    terminal.line("dance");
    terminal.see("unrecognized subcommand 'dance'");
    assert!(!terminal.screen().contains("ftp-client <COMMAND>"));
    terminal.line("mirror here there");
    terminal.see("is on the server: write it :PATH");
}

#[test]
fn a_job_does_not_tear_what_is_typed() {
    let world = World::serving();
    fs::create_dir(world.local().join("loc")).unwrap();
    for name in ["one", "two", "three"] {
        fs::write(world.local().join("loc").join(name), "").unwrap();
    }
    fs::write(world.local().join("big"), content(2, 1_000_000)).unwrap();
    let Some(terminal) = Terminal::start(&world, 100) else { return };
    terminal.see(":/> ");
    terminal.line("limit 400K");
    terminal.line("queue put big");
    terminal.line("queue mirror -n loc :dd");
    terminal.see("[2] queued");
    terminal.keys(&["-l", "lpw"]);
    terminal.see("> lpw");
    terminal.see("[2] mirror -n loc :dd: done");
    let screen = terminal.screen();
    let lines: Vec<_> = screen.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    for item in ["+ one", "+ two", "+ three"] {
        assert!(lines.contains(&item), "{item}");
    }
    assert!(lines.last().unwrap().ends_with(":/> lpw") && !screen.contains("lpw+"));
}

#[test]
fn a_job_that_waits_is_stopped_with_one_word() {
    let world = World::serving();
    fs::write(world.local().join("big"), content(2, 8_000_000)).unwrap();
    let Some(terminal) = Terminal::start(&world, 100) else { return };
    terminal.see(":/> ");
    terminal.line("limit 200K");
    terminal.line("queue put big one");
    terminal.line("queue put big two");
    terminal.line("kill 2");
    terminal.see("[2] put big two: stopped");
    terminal.line("kill 1");
    terminal.see("[1] put big one: stopped");
    assert!(!terminal.screen().contains("interrupted"));
}

#[test]
fn without_a_terminal_it_is_a_script() {
    let world = World::serving();
    let mut command = world.client_command(["shell", &world.url("")]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"mkdir made\ncd made\npwd\nrm none\nmkdir never\n").unwrap();
    let ran = child.wait_with_output().unwrap();
    assert_eq!((ran.status.code(), &ran.stdout[..]), (Some(5), &b"/made\n"[..]));
    assert!(world.root().join("made").is_dir() && !world.root().join("made/never").exists());
}

#[test]
fn a_person_is_told_why_the_connection_is_gone() {
    let world = World::serving();
    let Some(terminal) = Terminal::start(&world, 120) else { return };
    terminal.line("mkdir first");
    wait_until("it is logged in", || world.root().join("first").exists());
    let mut remove = Command::new(&binaries().server);
    let removed = remove.args(["user", "remove", "tester", "--state"]).arg(world.state()).status();
    assert!(removed.unwrap().success());
    wait_until("the session ends", || world.server().log().contains("session ended"));
    terminal.line("ls");
    terminal.see("ended the session: the user was removed");
    terminal.see("login refused");
}
