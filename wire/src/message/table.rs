//! The macro behind the table of messages: it makes the messages' enum, and of the rows of requests all that is known
//! about a command.

/// Makes [`Message`](super::Message), [`Request`](super::Request), [`SPECS`](super::SPECS) and each request's
/// [`Call`](super::Call).
macro_rules! messages {
    (
        requests {
            $($(#[doc = $request_doc:literal])+ $request:ident -> $answer:ident = $request_kind:literal,
                $request_name:literal, $request_needs:ident, $flow:ident, [$($path:ident $(, $target:ident)?)?];)+
        }
        session {
            $($(#[doc = $session_doc:literal])+ $session:ident = $session_kind:literal, $session_name:literal;)+
        }
        others {
            $($(#[doc = $other_doc:literal])+ $other:ident($other_body:ty) = $other_kind:literal;)+
        }
    ) => {
        messages! {
            @message
            $($(#[doc = $request_doc])+ $request($request) = $request_kind;)+
            $($(#[doc = $session_doc])+ $session($session) = $session_kind;)+
            $($(#[doc = $other_doc])+ $other($other_body) = $other_kind;)+
        }

        /// A request that a command answers.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Request {
            $($(#[doc = $request_doc])+ $request($request),)+
        }

        impl Request {
            /// The row of its command.
            #[must_use]
            pub fn spec(&self) -> &'static Spec {
                match self {
                    $(Self::$request(_) => &<$request as Call>::SPEC,)+
                }
            }

            /// The path that it is about, if there is one.
            #[must_use]
            pub fn path(&self) -> Option<&RemotePath> {
                match self {
                    $(Self::$request(request) => request.path(),)+
                }
            }

            /// Replaces the paths below the user's root that it is about.
            pub fn map_paths(&mut self, map: &dyn Fn(&RemotePath) -> RemotePath) {
                match self {
                    $(Self::$request(_request) => {
                        $(_request.$path.map_with(map); $(_request.$target.map_with(map);)?)?
                    })+
                }
            }

            /// A second path that it is about, such as the one that a thing is renamed to.
            #[must_use]
            pub fn target(&self) -> Option<&[u8]> {
                match self {
                    $(Self::$request(_request) => messages!(@target _request $($(, $target)?)?),)+
                }
            }
        }

        impl TryFrom<Message> for Request {
            /// A message that no command answers.
            type Error = Box<Message>;

            #[allow(clippy::wildcard_enum_match_arm, reason = "the table names all requests")]
            fn try_from(message: Message) -> Result<Self, Box<Message>> {
                match message {
                    $(Message::$request(request) => Ok(Self::$request(request)),)+
                    other => Err(Box::new(other)),
                }
            }
        }

        $(impl Call for $request {
            type Answer = $answer;
            const SPEC: Spec = Spec {
                name: $request_name,
                kind: $request_kind,
                needs: Needs::$request_needs,
                flow: Flow::$flow,
            };

            fn path(&self) -> Option<&RemotePath> {
                messages!(@path self $(, $path)?)
            }
        })+

        /// All commands. The gate, the documents and the tests read this table.
        pub const SPECS: &[Spec] = &[
            $(<$request as Call>::SPEC,)+
            $(Spec { name: $session_name, kind: $session_kind, needs: Needs::Login, flow: Flow::Control },)+
        ];
    };

    (@path $request:ident) => { None };
    (@path $request:ident, $path:ident) => { Some(&$request.$path) };
    (@target $request:ident) => { None };
    (@target $request:ident, $target:ident) => { Some(AsRef::<[u8]>::as_ref(&$request.$target)) };

    (@message $($(#[doc = $doc:literal])+ $name:ident($body:ty) = $kind:literal;)+) => {
        /// A message of the control connection. The number of its kind stands in the frame's header, its body is bincode.
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Message {
            $($(#[doc = $doc])+ $name($body),)+
        }

        impl Message {
            /// The number of this message's kind.
            #[must_use]
            pub fn kind(&self) -> u16 {
                match self {
                    $(Self::$name(_) => $kind,)+
                }
            }

            /// The name of a kind, for logs.
            #[must_use]
            pub fn kind_name(kind: u16) -> Option<&'static str> {
                match kind {
                    $($kind => Some(stringify!($name)),)+
                    _ => None,
                }
            }

            /// Numbers of all kinds of this version.
            pub const KINDS: &'static [u16] = &[$($kind,)+];

            pub(crate) fn encode_body(&self, bytes: &mut Vec<u8>) -> Result<(), crate::codec::CodecError> {
                match self {
                    $(Self::$name(body) => crate::codec::encode(body, bytes),)+
                }
            }

            pub(crate) fn decode_body(kind: u16, bytes: &[u8]) -> Result<Option<Self>, crate::codec::CodecError> {
                Ok(match kind {
                    $($kind => Some(Self::$name(crate::codec::decode::<$body>(bytes)?)),)+
                    _ => None,
                })
            }
        }

        $(impl From<$body> for Message {
            fn from(body: $body) -> Self {
                Self::$name(body)
            }
        }

        impl TryFrom<Message> for $body {
            /// A message of another kind.
            type Error = Box<Message>;

            #[allow(clippy::wildcard_enum_match_arm, reason = "all other kinds are the error")]
            fn try_from(message: Message) -> Result<Self, Box<Message>> {
                match message {
                    Message::$name(body) => Ok(body),
                    other => Err(Box::new(other)),
                }
            }
        })+
    };
}

pub(super) use messages;
