//! Whole rooms on a virtual network, in virtual time.
//!
//! A random run prints its seed; `SIM_SEED=… cargo test -p crdt-room --test sim` repeats it, and
//! `SIM_RUNS` sets the number of scenarios; with `SIM_TRACE` every input and output of every room is
//! printed.
//!
//! | file | models |
//! |---|---|
//! | `world` | time, and the machines between which it passes |
//! | `page`, `user`, `life` | a page, what its user does and hears, what becomes of it |
//! | `driver`, `arrival` | the driver of its room, and what reaches it |
//! | `socket` | signaling servers, by their own room rules, and the sockets to them |
//! | `connection`, `path` | `RTCPeerConnection`, and what two of them carry |
//! | `cable` | transports of the users' own |
//! | `hand` | a transport whose other end a test holds in its hand |
//! | `logs` | what pages write to the logs of servers |
//! | `hostile` | a signaling server that is not honest |
//! | `truth`, `rest` | the oracle: who can reach whom, and what has to be said of it |

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
