//! What all drivers have in common.
//!
//! A driver knows one kind of host object. It carries out the commands of the room that concern these,
//! and reports what becomes of them as inputs of the room. It decides nothing, and knows neither the
//! session nor any other driver.

use std::rc::Rc;

use crdt_room::Input;
use crdt_sync::{Incoming, LinkId};

/// Reports an input to the room. It may be called at any time, also while a command is carried out:
/// the input is then taken after those that wait.
pub(super) type Tell = Rc<dyn Fn(Input<'static>)>;

/// Hands a message of a data channel to the room, without a copy unless it has to wait.
pub(super) type Take = Rc<dyn Fn(LinkId, Incoming<'_>)>;
