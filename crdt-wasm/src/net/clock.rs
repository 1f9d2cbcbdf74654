//! The clock, and the one timer of a session.

use crdt_room::Input;
use crdt_sync::Millis;
use js_sys::Function;
use wasm_bindgen::prelude::*;

use super::bridge;
use super::driver::Tell;

#[wasm_bindgen]
extern "C" {
    // Bound by hand, since `web_sys` ties them to a window, and workers have them too.
    #[wasm_bindgen(js_name = setTimeout, catch)]
    fn set_timeout(callback: &Function, delay: f64) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(js_name = clearTimeout, catch)]
    fn clear_timeout(id: &JsValue) -> Result<(), JsValue>;
}

/// The longest delay that timers take; a longer one would fire at once.
const MAX_DELAY: Millis = 0x7FFF_FFFF;

/// Milliseconds on a clock that never goes back.
pub(super) fn now() -> Millis {
    bridge::now() as Millis
}

/// The timer that reports [`Input::Timeout`].
pub(super) struct Timer {
    /// When it fires, and the call that waits for that.
    armed: Option<(Millis, Timeout)>,
    tell: Tell,
}

impl Timer {
    pub(super) fn new(tell: Tell) -> Timer {
        Timer { armed: None, tell }
    }

    /// When it fires.
    pub(super) fn armed(&self) -> Option<Millis> {
        self.armed.as_ref().map(|(at, _)| *at)
    }

    /// Sees to it that the timer fires at this time, or before: most deadlines move on with every
    /// message, and a timer that fires in vain costs less than one that is set anew each time.
    pub(super) fn arm(&mut self, wanted: Option<Millis>, now: Millis) {
        let Some(at) = wanted else {
            self.armed = None;
            return;
        };
        if self.armed().is_some_and(|armed| armed <= at) {
            return;
        }
        let tell = self.tell.clone();
        // Rounded up, so that the time has come when it fires.
        let delay = at.saturating_sub(now).saturating_add(1);
        self.armed = Some((at, Timeout::new(delay, move || tell(Input::Timeout))));
    }

    /// Releases the timer, which has fired.
    pub(super) fn disarm(&mut self) {
        self.armed = None;
    }
}

/// A call that comes once, unless this is dropped before.
struct Timeout {
    id: JsValue,
    _closure: Closure<dyn Fn()>,
}

impl Timeout {
    fn new(delay: Millis, callback: impl Fn() + 'static) -> Timeout {
        let closure = Closure::<dyn Fn()>::new(callback);
        let delay = delay.min(MAX_DELAY) as f64;
        let id = set_timeout(closure.as_ref().unchecked_ref(), delay);
        Timeout {
            id: id.unwrap_or(JsValue::UNDEFINED),
            _closure: closure,
        }
    }
}

impl Drop for Timeout {
    fn drop(&mut self) {
        let _ = clear_timeout(&self.id);
    }
}
