//! Colours of names in listings: those of the environment variable `LS_COLORS`, which dircolors(1) makes, or common ones.

use wire::metadata::{Kind, Metadata};

/// The colours of names.
pub(crate) struct LsColors {
    /// By the two letters of dircolors.
    kinds: Vec<(String, String)>,
    /// By the end of a name, in lower case. The later one counts.
    endings: Vec<(String, String)>,
}

impl LsColors {
    /// Reads the value of `LS_COLORS`. Without one, the colours are those that most systems have. What is no number of a colour is
    /// ignored.
    pub(crate) fn new(text: Option<&str>) -> Self {
        let mut colors = Self { kinds: Vec::new(), endings: Vec::new() };
        colors.read(KINDS);
        match text {
            Some(text) => colors.read(text),
            None => GROUPS.iter().for_each(|(code, endings)| {
                for ending in endings.split(' ') {
                    colors.endings.push((format!(".{ending}"), (*code).to_owned()));
                }
            }),
        }
        colors
    }

    fn read(&mut self, text: &str) {
        for (key, code) in text.split(':').filter_map(|part| part.split_once('=')) {
            let is_code = code.bytes().all(|byte| byte.is_ascii_digit() || byte == b';');
            match key.strip_prefix('*') {
                _ if !is_code => {}
                Some(ending) => self.endings.push((ending.to_lowercase(), code.to_owned())),
                None => self.kinds.push((key.to_owned(), code.to_owned())),
            }
        }
    }

    /// Returns the shown name with its colour.
    pub(super) fn painted(&self, shown: &str, metadata: &Metadata) -> String {
        match self.code(shown, metadata) {
            Some(code) => format!("\x1b[{code}m{shown}\x1b[0m"),
            None => shown.to_owned(),
        }
    }

    fn code(&self, shown: &str, metadata: &Metadata) -> Option<&str> {
        let has = |bits: u32| metadata.mode & bits != 0;
        let kinds: &[&str] = match metadata.kind {
            Kind::Folder if has(0o1000) && has(0o002) => &["tw", "di"],
            Kind::Folder if has(0o002) => &["ow", "di"],
            Kind::Folder if has(0o1000) => &["st", "di"],
            Kind::Folder => &["di"],
            Kind::Symlink => &["ln"],
            Kind::Special => &["pi"],
            Kind::File if has(0o4000) => &["su", "ex"],
            Kind::File if has(0o2000) => &["sg", "ex"],
            Kind::File if has(0o111) => &["ex"],
            Kind::File => &[],
        };
        let of_kind = |kind: &str| find(&self.kinds, |key| key == kind);
        let by_kind = kinds.iter().find_map(|kind| of_kind(kind));
        if by_kind.is_some() || metadata.kind != Kind::File {
            return by_kind;
        }
        let name = shown.to_lowercase();
        find(&self.endings, |ending| name.ends_with(ending)).or_else(|| of_kind("fi"))
    }
}

/// Returns the last code whose key is meant; `None` if that is no colour.
fn find(all: &[(String, String)], mut is_meant: impl FnMut(&str) -> bool) -> Option<&str> {
    let (_, code) = all.iter().rev().find(|(key, _)| is_meant(key))?;
    (!code.is_empty() && code.bytes().any(|byte| !b"0;".contains(&byte))).then_some(code)
}

/// As dircolors has them.
const KINDS: &str = "di=01;34:ln=01;36:pi=40;33:su=37;41:sg=30;43:tw=30;42:ow=34;42:st=37;44:ex=01;32";
/// The most common endings of dircolors: archives, pictures and films, sound, and what is left over.
const GROUPS: [(&str, &str); 4] = [
    ("01;31", "tar tgz zip gz bz2 xz zst lz lzma 7z rar deb rpm jar iso cpio cab"),
    ("01;35", "jpg jpeg png gif bmp svg webp tif tiff heic avif mp4 mkv webm mov avi mpg mpeg m4v wmv flv"),
    ("00;36", "mp3 flac ogg opus oga m4a aac wav mid midi"),
    ("00;90", "bak old orig tmp swp part crdownload rej"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use wire::metadata::Timestamp;

    fn painted(colors: &LsColors, name: &str, kind: Kind, mode: u32) -> String {
        let modified = Timestamp { seconds: 0, nanos: 0 };
        colors.painted(name, &Metadata { kind, size: 0, modified, mode })
    }

    #[test]
    fn kinds_and_endings_have_colours() {
        let colors = LsColors::new(None);
        for (name, kind, mode, code) in [
            ("d", Kind::Folder, 0o755, "01;34"),
            ("d", Kind::Folder, 0o1777, "30;42"),
            ("d", Kind::Folder, 0o777, "34;42"),
            ("l.zip", Kind::Symlink, 0o777, "01;36"),
            ("p", Kind::Special, 0o644, "40;33"),
            ("x.zip", Kind::File, 0o755, "01;32"),
            ("x", Kind::File, 0o4755, "37;41"),
            ("A.ZIP", Kind::File, 0o644, "01;31"),
            ("a.tar.gz", Kind::File, 0o644, "01;31"),
            ("a.jpeg", Kind::File, 0o644, "01;35"),
        ] {
            let expected = format!("\x1b[{code}m{name}\x1b[0m");
            assert_eq!(painted(&colors, name, kind, mode), expected, "{kind:?} {mode:o}");
        }
        for name in ["plain", "zip", "a.zipx"] {
            assert_eq!(painted(&colors, name, Kind::File, 0o644), name);
        }
    }

    #[test]
    fn the_users_colours_count_and_nothing_else_of_the_variable() {
        let colors = LsColors::new(Some("rs=0:di=33:*.txt=32:*README=4:ex=00:fi=31:*.sh=\x1b[5m:ln=target:"));
        assert_eq!(painted(&colors, "d", Kind::Folder, 0o755), "\x1b[33md\x1b[0m");
        assert_eq!(painted(&colors, "a.txt", Kind::File, 0o644), "\x1b[32ma.txt\x1b[0m");
        assert_eq!(painted(&colors, "README", Kind::File, 0o644), "\x1b[4mREADME\x1b[0m");
        assert_eq!(painted(&colors, "a.sh", Kind::File, 0o644), "\x1b[31ma.sh\x1b[0m");
        assert_eq!(painted(&colors, "a.zip", Kind::File, 0o644), "\x1b[31ma.zip\x1b[0m");
        assert_eq!(painted(&colors, "l", Kind::Symlink, 0o777), "\x1b[01;36ml\x1b[0m");
    }
}
