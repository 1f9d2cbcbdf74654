//! The promises that `connect` returned and that are not settled.

use crdt_room::CallId;
use js_sys::{Function, Promise};
use wasm_bindgen::JsValue;

use crate::error::BindingError;

/// The open promises, by call.
#[derive(Default)]
pub(super) struct Promises {
    open: Vec<(CallId, Deferred)>,
    last: u32,
}

/// The functions that settle a promise.
pub(super) struct Deferred {
    resolve: Option<Function>,
    reject: Option<Function>,
}

impl Promises {
    /// Keeps a promise until its call ends, under the number that this returns.
    pub(super) fn add(&mut self, deferred: Deferred) -> CallId {
        self.last = self.last.wrapping_add(1);
        let call = CallId(self.last);
        self.open.push((call, deferred));
        call
    }

    /// Settles the promise of a call that ended.
    pub(super) fn settle(&mut self, call: CallId, result: Result<(), BindingError>) {
        let place = self.open.iter().position(|(known, _)| *known == call);
        if let Some(place) = place {
            let (_, deferred) = self.open.remove(place);
            deferred.settle(result);
        }
    }
}

impl Deferred {
    /// A promise, and what settles it.
    pub(super) fn new() -> (Promise, Deferred) {
        let (mut resolve, mut reject) = (None, None);
        let promise = Promise::new(&mut |yes, no| {
            resolve = Some(yes);
            reject = Some(no);
        });
        (promise, Deferred { resolve, reject })
    }

    /// Fulfils or rejects the promise.
    pub(super) fn settle(self, result: Result<(), BindingError>) {
        let (function, value) = match result {
            Ok(()) => (self.resolve, JsValue::UNDEFINED),
            Err(error) => (self.reject, error.into()),
        };
        // The functions of a promise do not throw.
        let _ = function.map(|settle| settle.call1(&JsValue::UNDEFINED, &value));
    }
}
