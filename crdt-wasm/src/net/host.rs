//! What the drivers need of JavaScript: listeners, random bytes, and the messages of what it throws.

use std::any::Any;

use js_sys::{Function, Object, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;
use web_sys::EventTarget;

#[wasm_bindgen]
extern "C" {
    // Bound by hand, since `web_sys` ties it to a window, and workers have it too.
    #[wasm_bindgen(js_namespace = crypto, js_name = getRandomValues, catch)]
    fn get_random_values(bytes: &Uint8Array) -> Result<JsValue, JsValue>;
}

/// A listener for one event of one target, for as long as it is kept. It owns its closure, so nothing
/// is called after its time and nothing is leaked.
pub(super) struct Listener {
    target: EventTarget,
    event: &'static str,
    callback: Function,
    _closures: Box<dyn Any>,
}

impl Listener {
    pub(super) fn new(
        target: &EventTarget,
        event: &'static str,
        callback: impl Fn(JsValue) + 'static,
    ) -> Listener {
        let closure = Closure::<dyn Fn(JsValue)>::new(callback);
        let callback = closure.as_ref().unchecked_ref::<Function>().clone();
        Listener::of(target, event, callback, closure)
    }

    /// A listener that is a function of JavaScript's, which calls `closures`.
    pub(super) fn of(
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

/// Whether the host has a constructor of this name.
pub(super) fn has(constructor: &str) -> bool {
    let found = Reflect::get(&js_sys::global(), &constructor.into());
    found.is_ok_and(|found| found.is_function())
}

/// Random bytes of the quality that secrets need, or `None` where the host has no such source.
pub(super) fn random_bytes<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let array = Uint8Array::new_with_length(N as u32);
    get_random_values(&array).ok()?;
    array.copy_to(&mut bytes);
    Some(bytes)
}

/// A random number that no other page load has, or `None` as for [`random_bytes`].
pub(super) fn random_page() -> Option<u64> {
    random_bytes().map(u64::from_le_bytes)
}

/// A random number for spreading delays out, from 0 to below 1.
pub(super) fn random_fraction() -> f64 {
    js_sys::Math::random()
}

/// The message of a thrown value.
pub(super) fn message_of(thrown: &JsValue) -> String {
    match thrown.dyn_ref::<js_sys::Error>() {
        Some(error) => String::from(error.message()),
        None => format!("{thrown:?}"),
    }
}

/// A plain object with these fields.
pub(super) fn object<const N: usize>(fields: [(&str, JsValue); N]) -> Object {
    let object = Object::new();
    for (name, value) in fields {
        set(&object, name, &value);
    }
    object
}

/// Sets a property of a plain object of this package, which takes any.
pub(super) fn set(object: &Object, name: &str, value: &JsValue) {
    let _ = Reflect::set(object, &name.into(), value);
}
