//! Collaborative text documents for the browser, with sync over WebRTC data channels.
