//! Permission bits in a transfer: the options of the sending end (`--chmod`, `--no-perms`), and the receiving end's rules for a
//! user.

use crate::metadata::{Kind, MODE_BITS, Metadata};
use serde::{Deserialize, Serialize};
use std::sync::OnceLock;

/// How a transfer sets the permissions of its files and folders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Modes {
    /// Applies to new items only, less the umask of the target's end; existing items keep their permissions.
    pub only_new: bool,
    /// Ignores the umask.
    pub exact: bool,
    /// Changes to the source's permissions.
    pub chmod: Chmod,
    /// The umask of this end, if it receives: the other end cannot make files here writable for others.
    pub umask: u32,
    /// Set if the sender has applied all changes already: the mode in which it has folders made; see
    /// [`Modes::of_unknown_folder`].
    pub sent: Option<u32>,
}

impl Modes {
    /// Takes the source's permissions.
    pub const CARRIED: Self =
        Self { only_new: false, exact: false, chmod: Chmod::NONE, umask: 0, sent: None };

    /// Takes the permissions as sent.
    #[must_use]
    pub fn as_sent(only_new: bool, folder_mode: u32) -> Self {
        Self { only_new, sent: Some(folder_mode), ..Self::CARRIED }
    }

    /// The same for items written at this end: the umask counts, unless the permissions are to be exact.
    #[must_use]
    pub fn received(self) -> Self {
        let umask = if self.exact { 0 } else { umask() };
        Self { umask, ..self }
    }

    /// Returns the permissions, at most, of a folder that is made before its own are known, because its content arrives first.
    /// They must never be wider than the source's, not even if the transfer ends there.
    #[must_use]
    pub fn of_unknown_folder(&self) -> u32 {
        let mode = match (self.sent, self.only_new) {
            (Some(mode), _) => mode,
            (None, true) => self.wanted(0, Kind::Folder),
            (None, false) => 0,
        };
        mode & PERMISSIONS | OWNER_ALL
    }

    /// Returns the permissions for an item of the source. Set-id and sticky bits of the source have another meaning at the
    /// target, so the result has only those that were requested, and only for a folder.
    #[must_use]
    pub fn wanted(&self, mode: u32, kind: Kind) -> u32 {
        let is_folder = kind == Kind::Folder;
        let mode = match (self.sent, self.only_new) {
            (Some(_), _) => mode,
            (None, true) => self.chmod.apply(default_mode(is_folder), is_folder),
            (None, false) => self.chmod.apply(mode & PERMISSIONS & !self.umask, is_folder),
        };
        if is_folder { mode & MODE_BITS } else { mode & PERMISSIONS }
    }

    /// Returns the metadata with the permissions for the item.
    #[must_use]
    pub fn of_item(&self, metadata: Metadata) -> Metadata {
        match metadata.kind {
            Kind::Symlink => metadata,
            kind @ (Kind::File | Kind::Folder | Kind::Special) => {
                Metadata { mode: self.wanted(metadata.mode, kind), ..metadata }
            }
        }
    }
}

impl Default for Modes {
    fn default() -> Self {
        Self::CARRIED
    }
}

/// Default mode of new files and folders, before the umask.
fn default_mode(is_folder: bool) -> u32 {
    if is_folder { 0o777 } else { 0o666 }
}

/// Returns the mode of an existing item after `wanted` is set: it keeps its set-id and sticky bits.
#[must_use]
pub fn kept(wanted: u32, existing: u32) -> u32 {
    wanted | existing & MODE_BITS & !PERMISSIONS
}

/// Permission rules for everything that a user makes or changes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModePolicy {
    /// Bits that are never set.
    pub umask: u32,
    /// Bits that are always set; execute, set-id and sticky bits apply to folders only.
    pub force: u32,
}

impl ModePolicy {
    /// Returns the permissions to set where `mode` was requested.
    #[must_use]
    pub fn apply(self, mode: u32, is_folder: bool) -> u32 {
        let force = if is_folder { self.force | (self.force & 0o444) >> 2 } else { self.force & 0o666 };
        mode & !self.umask | force
    }
}

/// Changes of permissions, in the syntax of chmod and rsync's `--chmod`. An empty list changes nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chmod(Vec<ModeChange>);

impl Chmod {
    /// No change.
    pub const NONE: Self = Self(Vec::new());

    /// Parses `D2775,F664`, `u+x,go-w` and the like; returns `None` if the syntax is wrong.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let changes = text.split(',').map(ModeChange::parse).collect::<Option<Vec<_>>>()?;
        Some(Self(changes.concat()))
    }

    /// Returns the resulting mode if it is the same for every previous mode.
    #[must_use]
    pub fn absolute(&self) -> Option<u32> {
        match self.0[..] {
            [ModeChange { items: Items::All, how: How::Become, what, .. }] => Some(what),
            _ => None,
        }
    }

    /// Returns the mode after applying these changes in order.
    #[must_use]
    pub fn apply(&self, mode: u32, is_folder: bool) -> u32 {
        self.0.iter().fold(mode, |mode, change| change.apply(mode, is_folder))
    }
}

/// `items`, `who`, `how` and `what`, as in `Du+x`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ModeChange {
    items: Items,
    /// The affected bits, including those classes' set-id or sticky bit.
    who: u32,
    how: How,
    /// The permissions, repeated for all three classes.
    what: u32,
    /// `X`: execute permission for folders, and for files that are executable by anyone.
    execute_if_sensible: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Items {
    All,
    Folders,
    Files,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Add,
    Remove,
    Set,
    /// An octal number.
    Become,
}

impl ModeChange {
    /// `D` or `F`, and then an octal number, or `ugo` and one or several of `+x`.
    fn parse(text: &str) -> Option<Vec<Self>> {
        let (items, text) = match text.as_bytes().first() {
            Some(b'D') => (Items::Folders, &text[1..]),
            Some(b'F') => (Items::Files, &text[1..]),
            Some(_) | None => (Items::All, text),
        };
        let none = Self { items, who: MODE_BITS, how: How::Become, what: 0, execute_if_sensible: false };
        if !text.is_empty() && text.len() <= 5 && text.bytes().all(|byte| byte.is_ascii_digit()) {
            let what = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= MODE_BITS)?;
            return Some(vec![Self { what, ..none }]);
        }
        let letters = text.find(|letter| !"ugoa".contains(letter))?;
        // Like chmod and rsync: without a class, the umask counts.
        let who = text[..letters].chars().map(bits_of).reduce(|all, one| all | one);
        let who = who.unwrap_or_else(|| MODE_BITS & !(umask() & PERMISSIONS));
        let mut changes = Vec::new();
        for letter in text[letters..].chars() {
            match how_of(letter) {
                Some(how) => changes.push(Self { who, how, ..none }),
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

    fn apply(self, mode: u32, is_folder: bool) -> u32 {
        let is_meant = match self.items {
            Items::All => true,
            Items::Folders => is_folder,
            Items::Files => !is_folder,
        };
        if !is_meant {
            return mode;
        }
        let execute = if self.execute_if_sensible && (is_folder || mode & 0o111 != 0) { 0o111 } else { 0 };
        let bits = (self.what | execute) & self.who;
        // Like chmod: a folder keeps its set-id bits unless they are named.
        let cleared = if is_folder { self.who & !0o6000 } else { self.who };
        match self.how {
            How::Add => mode | bits,
            How::Remove => mode & !bits,
            How::Set => mode & !cleared | bits,
            How::Become => bits,
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

/// This process's umask. Read from procfs, because the system call that returns it also changes it, for all threads. Without
/// procfs, new files are accessible to their owner only.
#[must_use]
pub fn umask() -> u32 {
    static UMASK: OnceLock<u32> = OnceLock::new();
    *UMASK.get_or_init(|| {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("Umask:"));
        line.and_then(|mask| u32::from_str_radix(mask.trim(), 8).ok()).unwrap_or(0o077)
    })
}

/// The read, write and execute bits of all classes.
pub const PERMISSIONS: u32 = 0o777;
/// The permissions that the owner of a folder needs to fill it.
pub const OWNER_ALL: u32 = 0o700;
/// Without it not even its owner may change what is in a folder.
pub const OWNER_WRITES: u32 = 0o200;

#[cfg(test)]
mod tests {
    use super::*;

    fn change(text: &str, mode: u32, is_folder: bool) -> u32 {
        Chmod::parse(text).unwrap_or_else(|| panic!("{text}")).apply(mode, is_folder)
    }

    #[test]
    fn octal() {
        assert_eq!(change("644", 0, false), 0o644);
        assert_eq!(change("01777", 0, false), 0o1777);
        assert_eq!(Chmod::parse("644").and_then(|chmod| chmod.absolute()), Some(0o644));
        assert_eq!(Chmod::parse("D755").and_then(|chmod| chmod.absolute()), None);
        for text in ["", "8", "10000", "000644", "6 4", "+644"] {
            assert_eq!(Chmod::parse(text), None, "{text}");
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
        for text in ["u", "x+u", "u+q", "u+x,", "ux", "D", "F,644", "DF755"] {
            assert_eq!(Chmod::parse(text), None, "{text}");
        }
    }

    #[test]
    fn folders_and_files_apart() {
        let both = |text| (change(text, 0o755, true), change(text, 0o755, false));
        assert_eq!(both("D2775,F664"), (0o2775, 0o664));
        assert_eq!(both("Dg+s,ug+w,Fo-w,Fa-x"), (0o2775, 0o664));
        assert_eq!(both("go-rwx,Fu-x"), (0o700, 0o600));
    }

    #[test]
    fn bits_of_the_source_mean_nothing_at_the_target() {
        let chmod = |text: &str| Modes { chmod: Chmod::parse(text).unwrap(), ..Modes::CARRIED };
        assert_eq!(Modes::CARRIED.wanted(0o7755, Kind::Folder), 0o755);
        assert_eq!(Modes::CARRIED.wanted(0o6755, Kind::File), 0o755);
        assert_eq!(chmod("D2775,F6775").wanted(0o4700, Kind::Folder), 0o2775);
        assert_eq!(chmod("D2775,F6775").wanted(0o4700, Kind::File), 0o775);
        let only_new = Modes { only_new: true, ..chmod("Fo-r") };
        assert_eq!(only_new.wanted(0o700, Kind::File), 0o662);
        assert_eq!(only_new.wanted(0o700, Kind::Folder), 0o777);
        assert_eq!(kept(0o755, 0o3700), 0o3755);
    }

    #[test]
    fn what_is_received_is_less_the_umask_unless_it_is_to_be_exact() {
        let modes =
            |umask: u32, text: &str| Modes { umask, chmod: Chmod::parse(text).unwrap(), ..Modes::CARRIED };
        assert_eq!(modes(0o022, "u+r").wanted(0o777, Kind::File), 0o755);
        assert_eq!(modes(0o077, "u+r").wanted(0o777, Kind::Folder), 0o700);
        assert_eq!(modes(0o077, "g+w").wanted(0o777, Kind::File), 0o720, "what is asked for holds");
        assert_eq!(Modes::CARRIED.received().umask, umask());
        assert_eq!(Modes { exact: true, ..Modes::CARRIED }.received().umask, 0);
    }

    #[test]
    fn a_folder_is_never_wider_than_its_own_permissions_will_be() {
        assert_eq!(Modes::CARRIED.of_unknown_folder(), 0o700);
        let new = Modes { only_new: true, ..Modes::CARRIED };
        assert_eq!(new.of_unknown_folder(), 0o777, "the umask is the system's to take away");
        let chmod = Chmod::parse("D2750").unwrap();
        let new = Modes { chmod: chmod.clone(), ..new };
        assert_eq!(new.of_unknown_folder(), 0o750);
        assert_eq!(Modes { chmod, ..Modes::CARRIED }.of_unknown_folder(), 0o700);
        assert_eq!(Modes::as_sent(true, 0o7050).of_unknown_folder(), 0o750);
    }

    #[test]
    fn a_policy_takes_away_and_adds() {
        let policy = ModePolicy { umask: 0o027, force: 0o2660 };
        assert_eq!(policy.apply(0o644, false), 0o660);
        assert_eq!(policy.apply(0o755, true), 0o2770);
        assert_eq!(ModePolicy::default().apply(0o7777, true), 0o7777);
    }
}
