//! What one merge may bring.

/// The limits of one merge, beyond which it is refused with
/// [`MergeError::TooLarge`](crate::MergeError::TooLarge). A few bytes can name very many events,
/// such as the deletes of a long text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct MergeLimits {
    /// The most events of one message, known ones included.
    pub message_events: usize,
    /// The most events of the document. Local edits may still be made beyond them: a document has room
    /// for 2^31 events, so that others cannot use up all of it.
    pub document_events: usize,
    /// The most work, in steps, beyond the 256 that each run of operations of a message allows by
    /// itself. A step is a visit of an item of the text or of an entry of the event graph, or a
    /// part of moving one from version to version; a second has 25 million or more. Replaying
    /// events that the document already has does not count. A merge that would take more is refused
    /// with [`MergeError::TooExpensive`](crate::MergeError::TooExpensive).
    pub work: u64,
}

impl MergeLimits {
    /// The default of [`MergeLimits::work`]: more than 160 times the work of any recorded history,
    /// merged event by event or at once. Reaching it takes a second or two.
    pub const WORK: u64 = 1 << 25;

    /// Sets [`MergeLimits::message_events`].
    #[must_use]
    pub const fn message_events(self, message_events: usize) -> MergeLimits {
        MergeLimits {
            message_events,
            ..self
        }
    }

    /// Sets [`MergeLimits::document_events`].
    #[must_use]
    pub const fn document_events(self, document_events: usize) -> MergeLimits {
        MergeLimits {
            document_events,
            ..self
        }
    }

    /// Sets [`MergeLimits::work`].
    #[must_use]
    pub const fn work(self, work: u64) -> MergeLimits {
        MergeLimits { work, ..self }
    }
}

impl Default for MergeLimits {
    /// 2^30 events each, and [`MergeLimits::WORK`].
    fn default() -> Self {
        MergeLimits {
            message_events: 1 << 30,
            document_events: 1 << 30,
            work: MergeLimits::WORK,
        }
    }
}
