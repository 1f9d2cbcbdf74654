//! What one merge may bring.

/// What one merge may bring before it is refused with
/// [`MergeError::TooLarge`](crate::MergeError::TooLarge). A few bytes can name very many events, such as
/// the deletes of a long text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MergeLimits {
    /// The most events of one message, known ones included.
    pub message_events: usize,
    /// The most events of the document. Local edits may still be made beyond them: a document has room
    /// for 2^31 events, so that others cannot use up all of it.
    pub document_events: usize,
}

impl Default for MergeLimits {
    /// 2^30 events each.
    fn default() -> Self {
        MergeLimits {
            message_events: 1 << 30,
            document_events: 1 << 30,
        }
    }
}
