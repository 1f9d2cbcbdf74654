//! First bytes of messages.

pub(crate) const HELLO: u8 = 0x01;
pub(crate) const FRAGMENT: u8 = 0x02;
pub(crate) const SUMMARY: u8 = 0x03;
pub(crate) const SYNCED: u8 = 0x04;
pub(crate) const PING: u8 = 0x05;
pub(crate) const PONG: u8 = 0x06;
/// The only byte of the goodbye message.
pub const GOODBYE: u8 = 0x07;
pub(crate) const NEIGHBOURS: u8 = 0x08;
pub(crate) const PRESENCE: u8 = 0x09;
pub(crate) const PRESENCE_GONE: u8 = 0x0a;
pub(crate) const PRESENCE_VECTOR: u8 = 0x0b;
/// A patch of the core between two ends that know each other's names.
pub(crate) const CHANGES: u8 = 0x10;
/// The same, compressed.
pub(crate) const PACKED_CHANGES: u8 = 0x11;
pub(crate) const RECEIPT: u8 = 0x40;
pub(crate) const ASK_DIGEST: u8 = 0x41;
pub(crate) const DIGEST: u8 = 0x42;
pub(crate) const IN_USE: u8 = 0x43;
pub(crate) const RENAMED: u8 = 0x44;
/// The first byte of the messages that a room sends on a link before the engine learns of it.
/// Engines ignore them.
pub const INTRODUCTION: u8 = 0x50;
/// The first byte of the messages that rooms encrypt on a link whose ends have agreed on a key.
/// Engines receive the decrypted content.
pub const SEALED: u8 = 0x51;
/// From here on, unknown messages are ignored; below, they are an error.
pub(crate) const OPTIONAL: u8 = 0x45;
