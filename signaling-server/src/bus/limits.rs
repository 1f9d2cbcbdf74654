use std::time::Duration;

/// What holds for all processes together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BusLimits {
    pub(crate) rooms: usize,
    /// The number of rooms made by clients of one address; 0 is no limit.
    pub(crate) rooms_per_address: usize,
    pub(crate) clients_per_room: usize,
    /// How long a name is kept for a client whose socket was lost.
    pub(crate) keep_name_for: Duration,
    /// After how long a process that is not heard of counts as dead.
    pub(crate) lease: Duration,
}
