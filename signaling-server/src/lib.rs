//! A server that introduces browsers to each other: rooms, and relay of join, offer, answer and ICE candidates.
