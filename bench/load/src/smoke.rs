//! A small load on a server in this process: everybody comes in, everything is carried, nothing
//! fails.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use clap::Parser as _;
use signaling_server::{Config, run};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::task::LocalSet;

use crate::crowd::Failures;
use crate::process::{Server, Subject};
use crate::{churn, idle, relay};

#[test]
fn a_few_hundred_clients_come_in_are_heard_and_go_without_a_failure() {
    // The pairs write as fast as they can, which is more than the limit for one client.
    let (address, stop) = serve(&["--relay-messages-per-second", "0"]);
    let subject = Subject::own(Path::new("signaling-server"));
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        let server = Server::here(address);
        let hold = Duration::from_millis(300);
        let idle = idle::load(&subject, &server, 300, 30, hold).await.unwrap();
        assert_eq!(idle.failures, Failures::new());
        assert_eq!((idle.connected, idle.reached), (300, 300));

        let settings = relay::Settings {
            pairs: 50,
            burst: 4,
            warm_up: Duration::from_millis(200),
            run: Duration::from_millis(500),
            runs: 1,
            profile: Duration::ZERO,
        };
        let (relay, profile) = relay::load(&subject, &server, settings, None)
            .await
            .unwrap();
        assert_eq!(relay.failures, Failures::new());
        assert!(profile.is_none());
        assert_eq!(relay.shapes.len(), 2);
        for shape in &relay.shapes {
            assert!(
                shape.saturation().unwrap().messages >= 100
                    && shape.at_half().unwrap().messages > 0
            );
        }

        let time = Duration::from_secs(2);
        let churn = churn::load(&subject, &server, 100, 100.0, time)
            .await
            .unwrap();
        assert_eq!(churn.failures, Failures::new());
        assert!(churn.came >= 50 && churn.messages > 0, "{churn:?}");
    });
    drop(stop);
}

/// Runs a server on threads of its own until what is returned is dropped.
fn serve(flags: &[&str]) -> (SocketAddr, oneshot::Sender<()>) {
    let config = Config::try_parse_from([&["signaling-server"], flags].concat()).unwrap();
    let (tell, told) = mpsc::channel();
    let (stop, stopped) = oneshot::channel();
    thread::spawn(move || {
        Runtime::new().unwrap().block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            tell.send(listener.local_addr().unwrap()).unwrap();
            run(listener, config, async {
                let _ = stopped.await;
            })
            .await
            .unwrap();
        });
    });
    (told.recv().unwrap(), stop)
}
