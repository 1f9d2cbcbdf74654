use std::time::Duration;

/// What holds for all processes together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BusLimits {
    pub(crate) rooms: usize,
    pub(crate) clients_per_room: usize,
    /// After how long a process that is not heard of counts as dead.
    pub(crate) lease: Duration,
}
