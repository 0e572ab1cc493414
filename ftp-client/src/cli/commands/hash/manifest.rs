//! Lines of SHA-256 manifests as `sha256sum` writes and reads them.

use wire::checksum::Digest;

/// A line of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ManifestLine {
    pub(super) name: Vec<u8>,
    pub(super) digest: Digest,
}

/// A manifest, without its comments.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Manifest {
    pub(super) lines: Vec<ManifestLine>,
    /// Lines that are not understood.
    pub(super) bad_lines: u64,
}

impl Manifest {
    pub(super) fn parse(text: &[u8]) -> Self {
        let mut manifest = Self::default();
        let lines = text.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        for line in lines.filter(|line| !line.is_empty() && !line.starts_with(b"#")) {
            match ManifestLine::parse(line) {
                Some(line) => manifest.lines.push(line),
                None => manifest.bad_lines += 1,
            }
        }
        manifest
    }
}

impl ManifestLine {
    /// Reads `DIGEST  NAME`, `DIGEST *NAME` and `SHA256 (NAME) = DIGEST`. A backslash at the beginning says that the name is escaped.
    fn parse(line: &[u8]) -> Option<Self> {
        let (is_escaped, line) = match line.strip_prefix(b"\\") {
            Some(line) => (true, line),
            None => (false, line),
        };
        let (digest, name) = tagged(line).or_else(|| plain(line))?;
        let name = if is_escaped { unescaped(name)? } else { name.to_vec() };
        (!name.is_empty()).then_some(Self { name, digest })
    }

    /// The line as `sha256sum` writes it.
    pub(super) fn to_line(&self) -> Vec<u8> {
        let (mark, name) = escaped(&self.name);
        [mark, self.digest.to_string().as_bytes(), b"  ", &name, b"\n"].concat()
    }

    /// The line about its verification, as `sha256sum -c` writes it.
    pub(super) fn to_verdict(&self, verdict: &str) -> Vec<u8> {
        let (mark, name) = escaped(&self.name);
        [mark, &name, b": ", verdict.as_bytes(), b"\n"].concat()
    }
}

fn plain(line: &[u8]) -> Option<(Digest, &[u8])> {
    let (digest, name) = line.split_at_checked(DIGITS)?;
    Some((parse_digest(digest)?, name.strip_prefix(b"  ").or_else(|| name.strip_prefix(b" *"))?))
}

fn tagged(line: &[u8]) -> Option<(Digest, &[u8])> {
    let rest = line.strip_prefix(b"SHA256 (")?;
    let (name, digest) = rest.split_at_checked(rest.len().checked_sub(DIGITS)?)?;
    Some((parse_digest(digest)?, name.strip_suffix(b") = ")?))
}

fn parse_digest(digits: &[u8]) -> Option<Digest> {
    let mut digest = Digest::default();
    if digits.len() != DIGITS || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    for (byte, pair) in digest.0.iter_mut().zip(digits.chunks(2)) {
        *byte = u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(digest)
}

/// A name with a backslash or a line break is escaped, and a backslash at the line's beginning says so.
fn escaped(name: &[u8]) -> (&'static [u8], Vec<u8>) {
    let mut text = Vec::with_capacity(name.len());
    for byte in name {
        match byte {
            b'\\' => text.extend_from_slice(b"\\\\"),
            b'\n' => text.extend_from_slice(b"\\n"),
            b'\r' => text.extend_from_slice(b"\\r"),
            byte => text.push(*byte),
        }
    }
    (if text.len() > name.len() { b"\\" } else { b"" }, text)
}

fn unescaped(text: &[u8]) -> Option<Vec<u8>> {
    let mut name = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        name.push(match byte {
            b'\\' => match bytes.next()? {
                b'\\' => b'\\',
                b'n' => b'\n',
                b'r' => b'\r',
                _ => return None,
            },
            byte => *byte,
        });
    }
    Some(name)
}

/// Hexadecimal digits of a digest.
const DIGITS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &[u8]) -> ManifestLine {
        ManifestLine { name: name.to_vec(), digest: Digest([0xab; 32]) }
    }

    #[test]
    fn lines_are_as_sha256sum_has_them() {
        let digest = "ab".repeat(32);
        assert_eq!(line(b"a/b c").to_line(), format!("{digest}  a/b c\n").into_bytes());
        assert_eq!(line(b"a\n\\\r").to_line(), format!("\\{digest}  a\\n\\\\\\r\n").into_bytes());
        assert_eq!(line(b"a\nb").to_verdict("OK"), b"\\a\\nb: OK\n");
        for name in [&b"a"[..], b"a b", b"*a", b"a\n\\\r", b"\xff", b"(a) = b", b"\\n"] {
            let read = Manifest::parse(&line(name).to_line());
            assert_eq!(read, Manifest { lines: vec![line(name)], bad_lines: 0 });
        }
    }

    #[test]
    fn other_spellings_are_read_and_what_is_none_is_counted() {
        let digest = "AB".repeat(32);
        let text = format!(
            "# comment\n{digest} *a\r\n\nSHA256 (b (c)) = {digest}\n\\SHA256 (d\\n) = {digest}\n{digest} e\n\
             {digest}  \nabcd  f\n\\{digest}  g\\x\nMD5 (h) = {digest}\nx{}  i\n",
            &digest[1..]
        );
        let read = Manifest::parse(text.as_bytes());
        assert_eq!(read.lines, [line(b"a"), line(b"b (c)"), line(b"d\n")]);
        assert_eq!(read.bad_lines, 6);
    }
}
