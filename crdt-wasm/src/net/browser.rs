//! The few things of the host that the glue needs: listeners, timers, a clock, random bytes.
//!
//! Each guard owns its closure and takes it away when dropped, so nothing of ours is called after
//! its time and nothing is leaked.

use std::any::Any;

use js_sys::{Function, Promise, Uint8Array};
use wasm_bindgen::prelude::*;
use web_sys::EventTarget;

use super::crossing;

#[wasm_bindgen]
extern "C" {
    // Bound by hand, since `web_sys` ties them to a window, and workers have them too.
    #[wasm_bindgen(js_name = setTimeout, catch)]
    fn set_timeout(callback: &Function, delay: f64) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(js_name = clearTimeout, catch)]
    fn clear_timeout(id: &JsValue) -> Result<(), JsValue>;

    #[wasm_bindgen(js_namespace = crypto, js_name = getRandomValues, catch)]
    fn get_random_values(bytes: &Uint8Array) -> Result<JsValue, JsValue>;
}

/// A listener for one event of one target, for as long as it is kept.
pub(crate) struct Listener {
    target: EventTarget,
    event: &'static str,
    callback: Function,
    _closures: Box<dyn Any>,
}

impl Listener {
    pub(crate) fn new(
        target: &EventTarget,
        event: &'static str,
        callback: impl Fn(JsValue) + 'static,
    ) -> Listener {
        let closure = Closure::<dyn Fn(JsValue)>::new(callback);
        let callback = closure.as_ref().unchecked_ref::<Function>().clone();
        Listener::of(target, event, callback, closure)
    }

    /// A listener that is a function of JavaScript's, which calls `closures`.
    pub(crate) fn of(
        target: &EventTarget,
        event: &'static str,
        callback: Function,
        closures: impl Any,
    ) -> Listener {
        // Adding a listener fails only for a target that is none.
        let _ = target.add_event_listener_with_callback(event, &callback);
        Listener {
            target: target.clone(),
            event,
            callback,
            _closures: Box::new(closures),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self
            .target
            .remove_event_listener_with_callback(self.event, &self.callback);
    }
}

/// A call that comes once, unless the timer is dropped before.
pub(crate) struct Timer {
    id: JsValue,
    _closure: Closure<dyn Fn()>,
}

/// The longest delay that timers take; a longer one would fire at once.
const MAX_DELAY: u64 = 0x7FFF_FFFF;

impl Timer {
    pub(crate) fn new(delay: u64, callback: impl Fn() + 'static) -> Timer {
        let closure = Closure::<dyn Fn()>::new(callback);
        let delay = delay.min(MAX_DELAY) as f64;
        let id = set_timeout(closure.as_ref().unchecked_ref(), delay);
        Timer {
            id: id.unwrap_or(JsValue::UNDEFINED),
            _closure: closure,
        }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        let _ = clear_timeout(&self.id);
    }
}

/// Milliseconds on a clock that never goes back.
pub(crate) fn now() -> u64 {
    crossing::now() as u64
}

/// Random bytes of the quality that secrets need, or `None` where the host has no such source.
pub(crate) fn random_bytes<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let array = Uint8Array::new_with_length(N as u32);
    get_random_values(&array).ok()?;
    array.copy_to(&mut bytes);
    Some(bytes)
}

/// A random number for spreading delays out, from 0 to below 1.
pub(crate) fn random_fraction() -> f64 {
    js_sys::Math::random()
}

/// A promise and the two functions that settle it.
pub(crate) struct Deferred {
    pub(crate) promise: Promise,
    resolve: Option<Function>,
    reject: Option<Function>,
}

impl Deferred {
    pub(crate) fn new() -> Deferred {
        let (mut resolve, mut reject) = (None, None);
        let promise = Promise::new(&mut |yes, no| {
            resolve = Some(yes);
            reject = Some(no);
        });
        Deferred {
            promise,
            resolve,
            reject,
        }
    }

    pub(crate) fn resolve(&self) {
        if let Some(resolve) = &self.resolve {
            let _ = resolve.call0(&JsValue::UNDEFINED);
        }
    }

    pub(crate) fn reject(&self, error: &JsValue) {
        if let Some(reject) = &self.reject {
            let _ = reject.call1(&JsValue::UNDEFINED, error);
        }
    }
}
