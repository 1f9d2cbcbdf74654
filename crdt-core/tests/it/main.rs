//! The crate from outside: random histories against an oracle, recorded histories, bad input.

mod anchors;
mod bad_input;
mod convergence;
mod corpus;
mod counts;
mod crowds;
mod files;
mod histories;
mod merging;
mod names;
mod oracle;
mod patches;
mod repeats;
mod saves;
mod shallow;
mod shapes;
mod strategies;
mod times;
mod trace_files;
mod traces;
mod typing;
mod undo;
mod versions;
