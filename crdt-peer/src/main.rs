//! A native member of a room: keeps its document on disk and mirrors the text into a file.
#![allow(dead_code, reason = "the driver that uses these modules follows")]

mod document_file;
mod draft;
mod edits;
mod journal;
mod link;
mod mirror;
mod rebase;
mod seal;
mod socket;
mod text_file;
mod webrtc;

fn main() {}
