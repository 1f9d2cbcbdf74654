//! The signaling messages, validated ids, shared limits and close codes, for both ends of the socket.
