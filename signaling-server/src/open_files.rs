//! Whether the system lets the server have as many sockets as it is configured to take.

/// Files beside the clients' sockets: the listener, the store, handshakes under way.
const OTHERS: usize = 100;

/// Says in the log where the system allows fewer files than there may be connections.
pub(crate) fn check(max_connections: usize) {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    if let Some(limit) = limit(&limits)
        && max_connections.saturating_add(OTHERS) > limit
    {
        tracing::warn!(
            "the system allows {limit} open files, too few for {max_connections} connections: raise \
             the limit (LimitNOFILE, ulimit -n) or set --max-connections"
        );
    }
}

/// The soft limit of open files out of Linux's list of a process's limits.
fn limit(limits: &str) -> Option<usize> {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_read_from_the_systems_list() {
        let list = "Limit                     Soft Limit           Hard Limit           Units     \n\
            Max processes             95966                95966                processes \n\
            Max open files            1024                 1048576              files     \n";
        assert_eq!(limit(list), Some(1024));
        assert_eq!(limit("Max open files unlimited unlimited files"), None);
        assert_eq!(limit(""), None);
    }
}
