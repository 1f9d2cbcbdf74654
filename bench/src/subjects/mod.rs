//! The measured libraries, one a file.

mod automerge;
mod cola;
mod diamond_types;
mod loro;
mod ours;
mod ropes;
mod yrs;

pub(crate) use automerge::Automerge;
pub(crate) use cola::Cola;
pub(crate) use diamond_types::DiamondTypes;
pub(crate) use loro::Loro;
pub(crate) use ours::Ours;
pub(crate) use ropes::{Crop, GapBufferRope, JumpRopeBuffered};
pub(crate) use yrs::Yrs;
