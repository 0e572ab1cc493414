//! Names and paths as both ends agree on them. They are parsed once, here, so a `RemotePath` needs no further check.

use crate::escape::Escaped;
use crate::limits::{NAME_LEN_MAX, PATH_DEPTH_MAX, PATH_LEN_MAX};
use crate::stdio::HOME;
use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::cmp::Ordering;
use std::fmt;

/// Why bytes are not a valid name or path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// A component without bytes.
    #[error("a path component is empty")]
    Empty,
    /// `.` or `..`, which would refer to another place.
    #[error("'.' and '..' are not allowed in a path")]
    Dots,
    /// A NUL byte, which no filesystem stores.
    #[error("a path must not contain a NUL byte")]
    Nul,
    /// A `/` within a component.
    #[error("a name must not contain '/'")]
    Slash,
    /// A component longer than [`NAME_LEN_MAX`].
    #[error("a name is longer than {NAME_LEN_MAX} bytes")]
    NameTooLong,
    /// A path longer than [`PATH_LEN_MAX`].
    #[error("a path is longer than {PATH_LEN_MAX} bytes")]
    PathTooLong,
    /// A path of more than [`PATH_DEPTH_MAX`] components.
    #[error("a path has more than {PATH_DEPTH_MAX} components")]
    TooDeep,
}

/// One component of a path: 1 to 255 bytes, any but NUL and `/`, and neither `.` nor `..`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Box<[u8]>);

impl Name {
    /// Takes `bytes` as a name.
    ///
    /// # Errors
    /// The rule that the bytes break.
    pub fn new(bytes: &[u8]) -> Result<Self, PathError> {
        check_name(bytes)?;
        Ok(Self(bytes.into()))
    }

    /// The name's bytes; not necessarily UTF-8.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A borrowed name within a path, checked like [`Name`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NameRef<'a>(&'a [u8]);

impl<'a> NameRef<'a> {
    /// Takes `bytes` as a name.
    ///
    /// # Errors
    /// The rule that the bytes break.
    pub fn new(bytes: &'a [u8]) -> Result<Self, PathError> {
        check_name(bytes)?;
        Ok(Self(bytes))
    }

    /// The name's bytes; not necessarily UTF-8.
    #[must_use]
    pub fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// The name, owned.
    #[must_use]
    pub fn to_name(self) -> Name {
        Name(self.0.into())
    }
}

impl<'a> From<&'a Name> for NameRef<'a> {
    fn from(name: &'a Name) -> Self {
        Self(&name.0)
    }
}

impl fmt::Debug for NameRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name({})", Escaped(self.0))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Escaped(&self.0).fmt(f)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name({self})")
    }
}

/// A path below a root: a list of names, stored joined by `/` without one at either end. The empty list is the root itself.
///
/// Its order is the order of a sorted depth-first walk: names are compared one by one, bytewise.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct RemotePath(Box<[u8]>);

impl RemotePath {
    /// The root itself.
    #[must_use]
    pub fn root() -> Self {
        Self::default()
    }

    /// Takes a path in its one canonical spelling, as used on the wire.
    ///
    /// # Errors
    /// The rule that the bytes break.
    pub fn from_wire(bytes: &[u8]) -> Result<Self, PathError> {
        if bytes.len() > PATH_LEN_MAX {
            return Err(PathError::PathTooLong);
        }
        if !bytes.is_empty() {
            for (index, name) in bytes.split(|byte| *byte == b'/').enumerate() {
                check_name(name)?;
                if index >= PATH_DEPTH_MAX {
                    return Err(PathError::TooDeep);
                }
            }
        }
        Ok(Self(bytes.into()))
    }

    /// Takes a path as people type it: extra slashes and `.` components are dropped.
    ///
    /// # Errors
    /// The rule that the bytes break; `..` is refused.
    pub fn from_user(bytes: &[u8]) -> Result<Self, PathError> {
        let names: Vec<&[u8]> =
            bytes.split(|byte| *byte == b'/').filter(|name| !name.is_empty() && *name != b".").collect();
        Self::from_wire(&names.join(&b'/'))
    }

    /// True if this is the root itself.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The path's bytes: its names joined by `/`.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The names, outermost first.
    pub fn names(&self) -> impl DoubleEndedIterator<Item = NameRef<'_>> {
        self.0.split(|byte| *byte == b'/').filter(|name| !name.is_empty()).map(NameRef)
    }

    /// Returns the last name and the path before it; `None` for the root.
    #[must_use]
    pub fn split_last(&self) -> Option<(Self, Name)> {
        let (parent, name) = self.parent_and_name()?;
        Some((Self(parent.into()), name.to_name()))
    }

    /// Returns the bytes of the path before the last name, and the last name; `None` for the root.
    #[must_use]
    pub fn parent_and_name(&self) -> Option<(&[u8], NameRef<'_>)> {
        if self.is_root() {
            return None;
        }
        Some(match self.0.iter().rposition(|byte| *byte == b'/') {
            Some(slash) => (&self.0[..slash], NameRef(&self.0[slash + 1..])),
            None => (&[], NameRef(&self.0)),
        })
    }

    /// This path with `name` appended.
    ///
    /// # Errors
    /// The result may be too long or too deep.
    pub fn join<'a>(&self, name: impl Into<NameRef<'a>>) -> Result<Self, PathError> {
        let name = name.into();
        let len = self.0.len() + 1 + name.0.len();
        if len > PATH_LEN_MAX {
            return Err(PathError::PathTooLong);
        }
        if self.is_root() {
            return Ok(Self(name.0.into()));
        }
        if self.0.iter().filter(|byte| **byte == b'/').count() + 2 > PATH_DEPTH_MAX {
            return Err(PathError::TooDeep);
        }
        let mut bytes = Vec::with_capacity(len);
        bytes.extend_from_slice(&self.0);
        bytes.push(b'/');
        bytes.extend_from_slice(name.0);
        Ok(Self(bytes.into()))
    }

    /// This path with all names of `below` appended.
    ///
    /// # Errors
    /// The result may be too long or too deep.
    pub fn join_path(&self, below: &Self) -> Result<Self, PathError> {
        match (self.is_root(), below.is_root()) {
            (true, _) => Ok(below.clone()),
            (_, true) => Ok(self.clone()),
            (false, false) => Self::from_wire(&[&self.0[..], &below.0[..]].join(&b'/')),
        }
    }

    /// Returns the rest of this path below `base`, or `None` if it lies elsewhere.
    #[must_use]
    pub fn strip_prefix(&self, base: &Self) -> Option<Self> {
        if base.is_root() {
            return Some(self.clone());
        }
        match self.0.strip_prefix(&base.0[..])? {
            [] => Some(Self::root()),
            [b'/', rest @ ..] => Some(Self(rest.into())),
            _ => None,
        }
    }
}

impl From<Name> for RemotePath {
    fn from(name: Name) -> Self {
        Self(name.0)
    }
}

impl AsRef<[u8]> for RemotePath {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl Ord for RemotePath {
    fn cmp(&self, other: &Self) -> Ordering {
        self.names().cmp(other.names())
    }
}

impl PartialOrd for RemotePath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Shows the path escaped and with a leading `/`, as people know it, unless it begins with the `~` of a home folder.
impl fmt::Display for RemotePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !matches!(&*self.0, HOME | [b'~', b'/', ..]) {
            f.write_str("/")?;
        }
        Escaped(&self.0).fmt(f)
    }
}

impl fmt::Debug for RemotePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RemotePath({self})")
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = deserializer.deserialize_byte_buf(ByteStringVisitor)?;
        Self::new(&bytes).map_err(D::Error::custom)
    }
}

impl Serialize for RemotePath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for RemotePath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = deserializer.deserialize_byte_buf(ByteStringVisitor)?;
        Self::from_wire(&bytes).map_err(D::Error::custom)
    }
}

/// Reads a byte string without interpreting it.
pub(crate) struct ByteStringVisitor;

impl Visitor<'_> for ByteStringVisitor {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a byte string")
    }

    fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
        Ok(bytes.to_vec())
    }

    fn visit_byte_buf<E: serde::de::Error>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
        Ok(bytes)
    }
}

fn check_name(bytes: &[u8]) -> Result<(), PathError> {
    match bytes {
        [] => Err(PathError::Empty),
        b"." | b".." => Err(PathError::Dots),
        _ if bytes.len() > NAME_LEN_MAX => Err(PathError::NameTooLong),
        _ if bytes.contains(&0) => Err(PathError::Nul),
        _ if bytes.contains(&b'/') => Err(PathError::Slash),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn path(text: &str) -> RemotePath {
        RemotePath::from_user(text.as_bytes()).unwrap()
    }

    #[test]
    fn what_people_type_is_made_canonical() {
        assert_eq!(path("//a/./b/").as_bytes(), b"a/b");
        assert!(path("/").is_root());
        assert_eq!(RemotePath::from_user(b"a/../b"), Err(PathError::Dots));
    }

    #[test]
    fn the_wire_has_one_spelling() {
        for (bytes, error) in [
            (&b"/a"[..], PathError::Empty),
            (b"a/", PathError::Empty),
            (b"a//b", PathError::Empty),
            (b"a/..", PathError::Dots),
            (b".", PathError::Dots),
            (b"a\0", PathError::Nul),
            (&[b'x'; 256], PathError::NameTooLong),
            (&[b'x'; 4096], PathError::PathTooLong),
            (&b"a/".repeat(300)[..599], PathError::TooDeep),
        ] {
            assert_eq!(RemotePath::from_wire(bytes), Err(error));
        }
    }

    #[test]
    fn a_path_has_so_many_names_and_not_one_more() {
        let deep = |names: usize| RemotePath::from_wire(&b"a/".repeat(names)[..2 * names - 1]);
        assert!(deep(PATH_DEPTH_MAX).is_ok());
        assert_eq!(deep(PATH_DEPTH_MAX + 1), Err(PathError::TooDeep));
        assert!(RemotePath::from_wire(&[b'x'; NAME_LEN_MAX]).is_ok());
        assert_eq!(RemotePath::from_wire(&[b'x'; NAME_LEN_MAX + 1]), Err(PathError::NameTooLong));
    }

    #[test]
    fn order_is_depth_first() {
        let mut paths = [path("a.b"), path("a"), path("a/z"), path("a!/b"), path("b")];
        paths.sort();
        assert_eq!(paths, [path("a"), path("a/z"), path("a!/b"), path("a.b"), path("b")]);
    }

    #[test]
    fn a_prefix_is_whole_names() {
        assert_eq!(path("a/b").strip_prefix(&path("a")), Some(path("b")));
        assert_eq!(path("ab").strip_prefix(&path("a")), None);
        assert_eq!(path("a").strip_prefix(&path("a")), Some(path("")));
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_keeps_what_it_accepts(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            if let Ok(path) = RemotePath::from_wire(&bytes) {
                prop_assert_eq!(path.as_bytes(), &bytes[..]);
                for name in path.names() {
                    prop_assert!(Name::new(name.as_bytes()).is_ok());
                }
            }
        }

        #[test]
        fn splitting_and_joining_are_inverse(names in proptest::collection::vec("[a-z.]{3,9}", 1..6)) {
            let path = RemotePath::from_user(names.join("/").as_bytes()).unwrap();
            let (parent, name) = path.split_last().unwrap();
            prop_assert_eq!(parent.join(&name).unwrap(), path);
        }
    }
}
