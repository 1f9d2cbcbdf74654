//! The sync engine: keeps replicas of a document equal over any transport, without doing I/O itself.
