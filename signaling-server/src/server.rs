//! Accepts connections, and ends when told to.

use std::convert::Infallible;
use std::error::Error as _;
use std::future::{Future, pending};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hyper::service::Service as _;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{interval, sleep, timeout};
use tokio_util::task::TaskTracker;
use warp::Filter;
use warp::http::header::HeaderMap;
use warp::reply::Reply;

use crate::admin;
use crate::bus::Bus;
use crate::config::Config;
use crate::error::RunError;
use crate::http::{ACCEPT_PAUSE, HEAD_BUFFER};
use crate::hub::Hub;
use crate::limits::{Admission, RequestPlaces};
use crate::metrics::Rejected;
use crate::open_files;
use crate::origin;
use crate::patience::Patient;
use crate::reload;
use crate::requests::{ClientAddress, turned_away};
use crate::routes::routes;
use crate::stream::Stream;
use crate::tls::Tls;

/// How long answers that are being sent may take once the server ends.
const ANSWER_GRACE: Duration = Duration::from_secs(2);

/// How often to look for logs that nobody uses.
const EXPIRY_INTERVAL: Duration = Duration::from_secs(60 * 60);

/// How often to look for what is no longer needed.
const HOUSEKEEPING_INTERVAL: Duration = Duration::from_secs(30);

/// Serves until `shutdown` completes, then closes every connection and returns.
///
/// # Errors
/// When the listener has no address, or what the configuration names cannot be used.
pub async fn run(
    listener: TcpListener,
    config: Config,
    shutdown: impl Future<Output = ()>,
) -> Result<(), RunError> {
    run_reloading(listener, config, async || pending().await, shutdown).await
}

/// The same as [`run`]; whenever a future of `reload` completes, certificates and secrets are read again from the
/// files that the configuration names.
///
/// # Errors
/// As [`run`].
pub async fn run_reloading(
    listener: TcpListener,
    config: Config,
    reload: impl AsyncFnMut(),
    shutdown: impl Future<Output = ()>,
) -> Result<(), RunError> {
    let address = listener.local_addr().map_err(RunError::Listener)?;
    let tls = match (&config.tls_cert, &config.tls_key) {
        (Some(cert), Some(key)) => Some(Tls::load(cert.clone(), key.clone())?),
        _ => None,
    };
    let admin = match config.admin_address {
        Some(address) => Some(TcpListener::bind(address).await),
        None => None,
    };
    let admin = admin.transpose().map_err(RunError::AdminListener)?;
    let (bus, commands) = match &config.bus {
        Some(url) => {
            let (bus, commands) = Bus::new(url.reveal(), config.bus_limits())?;
            bus.check().await?;
            (Some(bus), Some(commands))
        }
        None => (None, None),
    };
    let hub = Arc::new(Hub::new(config, bus)?);
    let bus_task = commands.map(|commands| {
        let hub = hub.clone();
        tokio::spawn(async move {
            if let Some(bus) = &hub.bus {
                bus.run(&hub.greeter, &hub.metrics, commands).await;
            }
        })
    });
    let requests = TaskTracker::new();
    let scheme = if tls.is_some() { "https" } else { "http" };
    tracing::info!("listening on {scheme}://{address}");
    if let Some(address) = admin.as_ref().and_then(|admin| admin.local_addr().ok()) {
        tracing::info!("the operator is served at http://{address}");
        if !address.ip().is_loopback() {
            tracing::warn!("the operator's token reaches {address} without encryption");
        }
    }
    if hub.tokens.is_none() && !address.ip().is_loopback() {
        tracing::warn!("anyone who reaches {address} may join any room: no token secret is set");
    }

    if hub.store.is_some() {
        match hub.config.store_expire_days {
            0 => tracing::info!("logs are kept for ever: --store-expire-days is not set"),
            days => tracing::info!("logs that nobody uses for {days} days are deleted"),
        }
    }
    #[cfg(feature = "yjs")]
    if hub.bus.is_none() {
        tracing::info!("Yjs documents at /yjs are not encrypted: this server can read them");
    }
    open_files::check(hub.config.max_connections);

    tokio::select! {
        () = accept(&listener, &hub, tls.as_ref(), &requests) => {}
        () = watch(tls.as_ref()) => {}
        () = keep_house(&hub) => {}
        () = admin::server::serve(admin, &hub, &requests) => {}
        () = keep_reloading(reload, &hub, tls.as_ref()) => {}
        () = shutdown => {}
    }
    drop(listener);
    hub.end();
    requests.close();
    let ended = async {
        requests.wait().await;
        hub.sockets.wait().await;
    };
    if timeout(hub.config.drain_timeout(), ended).await.is_err() {
        tracing::warn!(
            "{} connections did not close in time",
            hub.sockets.len() + requests.len()
        );
    }
    if let (Some(bus), Some(task)) = (&hub.bus, bus_task) {
        // Clients that left meanwhile are taken out of the rooms that the processes share.
        bus.finish().await;
        task.abort();
    }
    if let Some(store) = &hub.store {
        store.finish().await;
    }
    tracing::info!("ended");
    Ok(())
}

async fn keep_reloading(mut due: impl AsyncFnMut(), hub: &Hub, tls: Option<&Tls>) {
    loop {
        due().await;
        reload::reload(hub, tls);
    }
}

async fn watch(tls: Option<&Tls>) {
    match tls {
        Some(tls) => tls.watch().await,
        None => pending().await,
    }
}

async fn accept(listener: &TcpListener, hub: &Arc<Hub>, tls: Option<&Tls>, requests: &TaskTracker) {
    let routes = routes(hub.clone());
    loop {
        match listener.accept().await {
            Ok((stream, address)) => {
                // A connection that says nothing takes a place as well, until its time is up.
                let place = match hub.limiter.connect(sole_client(address, hub)) {
                    Ok(place) => place,
                    Err(why) => {
                        hub.metrics.rejected(why);
                        continue;
                    }
                };
                let (tls, routes, hub) = (tls.cloned(), routes.clone(), hub.clone());
                requests.spawn(async move {
                    let opened = tokio::select! {
                        opened = open(stream, tls.as_ref(), hub.config.handshake_timeout()) => opened,
                        () = hub.ending.cancelled() => return,
                    };
                    match opened {
                        Ok(stream) => serve_http(stream, address, place, routes, &hub).await,
                        Err(error) => {
                            hub.metrics.rejected(why_not_open(&error));
                            tracing::debug!(%address, "a connection failed: {error}");
                        }
                    }
                });
            }
            Err(error) => {
                tracing::warn!("cannot accept a connection: {error}");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// The client that a connection belongs to, where it belongs to one: what comes from a proxy is
/// counted by request.
fn sole_client(address: SocketAddr, hub: &Hub) -> Option<IpAddr> {
    if hub.config.trust_forwarded_for {
        None
    } else {
        origin::address(address, &HeaderMap::new(), 0)
    }
}

/// Forgets, now and then, what is no longer needed.
async fn keep_house(hub: &Hub) {
    let mut rounds = interval(HOUSEKEEPING_INTERVAL);
    let mut next_expiry = Instant::now();
    loop {
        rounds.tick().await;
        if Instant::now() >= next_expiry {
            let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
            hub.expire_logs(since_1970.unwrap_or_default());
            next_expiry += EXPIRY_INTERVAL;
        }
        hub.remove_expired_rooms(Instant::now());
        hub.limiter.forget_old();
    }
}

/// Makes a connection ready for requests.
async fn open(stream: TcpStream, tls: Option<&Tls>, patience: Duration) -> io::Result<Stream> {
    // Signals are small and answered at once: waiting for more to send only delays them.
    stream.set_nodelay(true)?;
    match tls {
        Some(tls) => timeout(patience, tls.accept(stream)).await?,
        None => Ok(Stream::Plain(stream)),
    }
}

fn why_not_open(error: &io::Error) -> Rejected {
    match error.kind() {
        io::ErrorKind::TimedOut => Rejected::HandshakeTimeout,
        _ => Rejected::TlsHandshake,
    }
}

/// Answers the requests of one connection, until it is closed, upgraded, or the server ends.
async fn serve_http<F>(
    stream: Stream,
    address: SocketAddr,
    place: Admission,
    routes: F,
    hub: &Arc<Hub>,
) where
    F: Filter<Error = Infallible> + Clone + Send + Sync + 'static,
    F::Extract: Reply,
{
    let service = TowerToHyperService::new(warp::service(routes));
    let places = RequestPlaces::new(place);
    let service = hyper::service::service_fn(|mut request: hyper::Request<_>| {
        let place = if hub.config.trust_forwarded_for {
            // The client behind a proxy has its place until the next request comes.
            places.set_request(None);
            let client = origin::address(address, request.headers(), hub.config.proxies());
            hub.limiter
                .forward(client)
                .map(|place| places.set_request(Some(place)))
        } else {
            Ok(())
        };
        request.extensions_mut().insert(ClientAddress(address));
        request.extensions_mut().insert(places.clone());
        let answer = place.map(|()| service.call(request));
        async move {
            match answer {
                Ok(answer) => answer.await,
                Err(why) => {
                    hub.metrics.rejected(why);
                    Ok(turned_away(why).into_response())
                }
            }
        }
    });
    let stream = Patient::new(stream, hub.config.stall_timeout());
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(hub.config.handshake_timeout())
        .max_buf_size(HEAD_BUFFER)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = hub.ending.cancelled() => {
            connection.as_mut().graceful_shutdown();
            match timeout(ANSWER_GRACE, connection).await {
                Ok(result) => result,
                Err(_) => return,
            }
        }
    };
    if let Err(error) = result {
        if error.is_timeout() {
            hub.metrics.rejected(Rejected::HandshakeTimeout);
        } else if error.is_parse() {
            hub.metrics.rejected(Rejected::MalformedRequest);
        } else if has_stalled(&error) {
            hub.metrics.rejected(Rejected::Stalled);
        }
        tracing::debug!(%address, "a connection ended: {error}");
    }
}

/// Whether a connection ended because the client did not read.
fn has_stalled(error: &hyper::Error) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref());
    cause.is_some_and(|cause: &io::Error| cause.kind() == io::ErrorKind::TimedOut)
}
