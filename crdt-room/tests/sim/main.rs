//! Whole rooms on a virtual network, in virtual time.
//!
//! A random run prints its seed; `SIM_SEED=… cargo test -p crdt-room --test sim` repeats it, and
//! `SIM_RUNS` sets the number of scenarios; with `SIM_TRACE` every input and output of every room is
//! printed.
//!
//! | file | models |
//! |---|---|
//! | `world` | time, and the machines between which it passes |
//! | `page`, `user`, `life` | a page, its user, and its life |
//! | `driver`, `arrival` | the driver of its room, and its inputs |
//! | `socket` | signaling servers, by their own room rules, and the sockets to them |
//! | `connection`, `path` | `RTCPeerConnection`, and the path between two of them |
//! | `cable` | transports of the users' own |
//! | `hand` | a transport whose other end a test controls |
//! | `logs` | what pages write to the logs of servers |
//! | `hostile` | a dishonest signaling server |
//! | `truth`, `rest` | the oracle: which members can reach each other, and the status that follows |

mod arrival;
mod cable;
mod connection;
mod driver;
mod hand;
mod hostile;
mod life;
mod logs;
mod named;
mod page;
mod path;
mod random;
mod rest;
mod socket;
mod traffic;
mod truth;
mod user;
mod world;
