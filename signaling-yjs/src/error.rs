/// Why bytes are no update, or no state vector.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UpdateError {
    /// The bytes end in the middle.
    #[error("the update ends too early")]
    TooShort,
    /// There are bytes behind the end.
    #[error("{0} bytes stand behind the end of the update")]
    TooLong(usize),
    /// A number is larger than [`MAX_NUMBER`](crate::MAX_NUMBER).
    #[error("a number is larger than JavaScript's largest safe integer")]
    NumberTooLarge,
    /// A text is not UTF-8.
    #[error("a text is not UTF-8")]
    NotUtf8,
    /// A text that has to be JSON is not.
    #[error("a value is not JSON")]
    NotJson,
    /// A kind of content that Yjs does not know.
    #[error("there is no content of the kind {0}")]
    UnknownContent(u8),
    /// A kind of shared type that Yjs does not know.
    #[error("there is no shared type of the kind {0}")]
    UnknownType(u64),
    /// A kind of value that Yjs does not know.
    #[error("there is no value of the kind {0}")]
    UnknownValue(u8),
    /// Values stand in values too deep.
    #[error("values are nested more than {0} deep")]
    TooDeep(usize),
    /// There are more separate ranges of clocks than are taken.
    #[error("the update has more than {0} separate ranges")]
    TooManyRanges(usize),
    /// There are more clients than are taken.
    #[error("the update has more than {0} clients")]
    TooManyClients(usize),
}
