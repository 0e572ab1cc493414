//! Progress on terminals of several widths, during an outage, and after Ctrl-C.

use crate::cli::shell::Terminal;
use crate::support::{content, wait_until};
use std::fs;
use tests::world::{PASSWORD, World, binaries};

const NAME: &str =
    "a-name-that-is-too-long-for-narrow-terminals/and-even-longer-than-most-people-like-it/holiday-2026.tar";

/// Starts a slow upload of a large file with a long name.
fn sending(world: &World, columns: u32) -> Option<Terminal> {
    let file = world.local().join("photos").join(NAME);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, content(1, 9_000_000)).unwrap();
    let client = binaries().client.display();
    let url = world.url("");
    let put = format!(
        "FTPX_PASSWORD='{PASSWORD}' {client} put -r --limit-rate 2M photos '{url}'; echo ended with $?"
    );
    Terminal::running(world, columns, &put)
}

#[test]
fn bars_use_the_width_there_is() {
    for (columns, bar, is_cut) in [(60, 5, true), (80, 8, true), (140, 18, false)] {
        let world = World::serving();
        let Some(terminal) = sending(&world, columns) else { return };
        let mut screen = String::new();
        wait_until("the file and the time left are shown", || {
            screen = terminal.screen();
            screen.contains("2026.tar") && screen.contains(" left")
        });
        let lines: Vec<&str> = screen.lines().filter(|line| line.contains('%')).collect();
        let [file, total] = lines[..] else { panic!("a line is broken in two, or missing:\n{screen}") };
        assert!(file.contains(" of 8.58 MiB  photos"), "each file has its total:\n{screen}");
        assert!(file.ends_with("2026.tar"), "the end of a name says most:\n{screen}");
        assert_eq!(file.contains('…'), is_cut, "\n{screen}");
        assert_eq!(total.find(']'), Some(bar + 1), "\n{screen}");
        terminal.keys(&["C-c"]);
        terminal.see("ended with 130");
        let screen = terminal.screen();
        let said = screen.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains("arrived; run the same command again to resume"), "{screen}");
        assert!(!screen.contains('%') && !screen.contains("2026.tar"), "a line stays:\n{screen}");
    }
}

#[test]
fn an_outage_is_shown_while_it_lasts() {
    let mut world = World::serving();
    let Some(terminal) = sending(&world, 100) else { return };
    terminal.see(" left");
    world.server_mut().kill();
    terminal.see("reconnecting (");
    terminal.see("th try, 0:0");
    world.restart();
    terminal.see("connected again after 0:");
    terminal.see(" left");
}
