//! The terminal's echo of Ctrl-C while bars are shown. The bars end at the last column, so that `^C` would be written into the next
//! line, and they would be removed a line too low.

use rustix::process::getpgrp;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetpgrp, tcsetattr};
use std::io;

/// Control characters are not echoed until it is dropped.
pub(super) struct EchoOff(Option<Termios>);

impl EchoOff {
    /// Changes the terminal that the bars are on. A program in the background may not, and would be stopped.
    pub(super) fn new() -> Self {
        let terminal = io::stderr();
        let is_in_front = tcgetpgrp(&terminal).is_ok_and(|group| group == getpgrp());
        let before = tcgetattr(&terminal).ok().filter(|_| is_in_front);
        let before = before.filter(|before| before.local_modes.contains(LocalModes::ECHOCTL));
        if let Some(before) = &before {
            let mut quiet = before.clone();
            quiet.local_modes.remove(LocalModes::ECHOCTL);
            let _ = tcsetattr(&terminal, OptionalActions::Now, &quiet); // then `^C` is echoed as before
        }
        Self(before)
    }
}

impl Drop for EchoOff {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let _ = tcsetattr(io::stderr(), OptionalActions::Now, before); // the terminal may be gone
        }
    }
}
