//! Replicas on a virtual network.
//!
//! A random run prints its seed; `SIM_SEED=… cargo test -p crdt-sync --test sim` repeats it, and
//! `SIM_RUNS` sets the number of scenarios; with `SIM_TRACE` every message is printed.

mod mesh;
mod named;
mod names;
mod random;
mod rng;
mod shallow;
mod traffic;
mod world;
