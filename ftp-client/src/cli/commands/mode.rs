//! Modes as chmod takes them: octal, or changes as `u+x,go-w`.

use wire::metadata::MODE_BITS;

/// A mode, or changes to one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mode {
    /// This one.
    Absolute(u32),
    /// These changes, one after another.
    Changes(Vec<Change>),
}

/// `who`, `how` and `what`, as in `u+x`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Change {
    /// The bits of those who are meant, including their set-id or sticky bit.
    who: u32,
    how: How,
    /// Permissions, repeated for everybody.
    what: u32,
    /// `X`: execution for folders, and for files that somebody can execute.
    execute_if_sensible: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Add,
    Remove,
    Set,
}

impl Mode {
    pub(super) fn parse(text: &str) -> Option<Self> {
        if !text.is_empty() && text.len() <= 5 && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= MODE_BITS).map(Self::Absolute);
        }
        text.split(',')
            .map(Change::parse)
            .collect::<Option<Vec<_>>>()
            .map(|nested| Self::Changes(nested.concat()))
    }
}

impl Change {
    /// `ugo` and then one or several of `+x`.
    fn parse(text: &str) -> Option<Vec<Self>> {
        let letters = text.find(|letter| !"ugoa".contains(letter))?;
        let who = text[..letters].chars().map(bits_of).reduce(|all, one| all | one).unwrap_or(MODE_BITS);
        let mut changes = Vec::new();
        for letter in text[letters..].chars() {
            match how_of(letter) {
                Some(how) => changes.push(Self { who, how, what: 0, execute_if_sensible: false }),
                None => changes.last_mut()?.extend(letter)?,
            }
        }
        Some(changes)
    }

    fn extend(&mut self, letter: char) -> Option<()> {
        match letter {
            'r' => self.what |= 0o444,
            'w' => self.what |= 0o222,
            'x' => self.what |= 0o111,
            's' => self.what |= 0o6000,
            't' => self.what |= 0o1000,
            'X' => self.execute_if_sensible = true,
            _ => return None,
        }
        Some(())
    }

    /// The mode after this change.
    pub(super) fn apply(self, mode: u32, folder: bool) -> u32 {
        let execute = if self.execute_if_sensible && (folder || mode & 0o111 != 0) { 0o111 } else { 0 };
        let bits = (self.what | execute) & self.who;
        // As chmod does: a folder keeps its set-id bits unless they are named.
        let cleared = if folder { self.who & !0o6000 } else { self.who };
        match self.how {
            How::Add => mode | bits,
            How::Remove => mode & !bits,
            How::Set => mode & !cleared | bits,
        }
    }
}

fn how_of(letter: char) -> Option<How> {
    match letter {
        '+' => Some(How::Add),
        '-' => Some(How::Remove),
        '=' => Some(How::Set),
        _ => None,
    }
}

fn bits_of(letter: char) -> u32 {
    match letter {
        'u' => 0o4700,
        'g' => 0o2070,
        'o' => 0o1007,
        _ => MODE_BITS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(text: &str, mode: u32, folder: bool) -> u32 {
        match Mode::parse(text).unwrap_or_else(|| panic!("{text}")) {
            Mode::Absolute(mode) => mode,
            Mode::Changes(changes) => changes.iter().fold(mode, |mode, change| change.apply(mode, folder)),
        }
    }

    #[test]
    fn octal() {
        assert_eq!(change("644", 0, false), 0o644);
        assert_eq!(change("01777", 0, false), 0o1777);
        for text in ["", "8", "10000", "000644", "6 4", "+644"] {
            assert_eq!(Mode::parse(text), None, "{text}");
        }
    }

    #[test]
    fn symbolic() {
        for (text, before, after) in [
            ("u+x", 0o644, 0o744),
            ("+x", 0o644, 0o755),
            ("a-w", 0o666, 0o444),
            ("go=", 0o777, 0o700),
            ("u=rw,go=r", 0o777, 0o644),
            ("u+x-r", 0o644, 0o344),
            ("u+s", 0o755, 0o4755),
            ("+t", 0o755, 0o1755),
            ("g+X", 0o644, 0o644),
            ("g+X", 0o744, 0o754),
        ] {
            assert_eq!(change(text, before, false), after, "{text}");
        }
        assert_eq!(change("a+X", 0o644, true), 0o755);
        assert_eq!(change("g=rx", 0o2777, true), 0o2757);
        for text in ["u", "x+u", "u+q", "u+x,", "ux"] {
            assert_eq!(Mode::parse(text), None, "{text}");
        }
    }
}
