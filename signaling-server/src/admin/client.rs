//! Asks a running server by its admin address.

use std::io::{self, Write};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::wire::{Compacted, Entries, Kicked, LogInfo, Names, Problem, encoded};
use crate::roster::Whom;
use crate::secret::Secret;

/// How long the server may take until it answers.
const PATIENCE: Duration = Duration::from_secs(60);

/// The admin address of a server, like `http://127.0.0.1:9090`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminUrl(String);

impl AdminUrl {
    /// Takes an address as it is.
    ///
    /// # Errors
    /// When it is no address of this kind.
    pub fn parse(text: &str) -> Result<Self, String> {
        let authority = text
            .strip_prefix("http://")
            .map(|rest| rest.trim_end_matches('/'));
        let authority = authority.filter(|authority| {
            let port = authority
                .rsplit_once(':')
                .map(|(_, port)| port.parse::<u16>());
            matches!(port, Some(Ok(_))) && !authority.contains(['/', '?', '#', '@', ' '])
        });
        authority
            .map(|authority| Self(authority.to_owned()))
            .ok_or_else(|| "such an address is like http://127.0.0.1:9090".to_owned())
    }
}

/// Why a server was not asked, or did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdminError {
    /// It cannot be reached, or does not speak as it should.
    #[error("{address}: {reason}")]
    Unreachable {
        /// The address.
        address: String,
        /// What went wrong.
        reason: String,
    },
    /// It says why not.
    #[error("the server says: {reason}")]
    Refused {
        /// Its words.
        reason: String,
    },
    /// What it sent cannot be printed.
    #[error("cannot print: {0}")]
    Output(#[from] io::Error),
}

/// A server that is asked by its admin address.
pub(crate) struct AdminClient {
    url: AdminUrl,
    token: Secret,
}

impl AdminClient {
    pub(crate) fn new(url: AdminUrl, token: Secret) -> Self {
        Self { url, token }
    }

    pub(crate) async fn list(&self) -> Result<Vec<LogInfo>, AdminError> {
        self.get("/logs").await
    }

    pub(crate) async fn find(&self, name: &str) -> Result<LogInfo, AdminError> {
        self.get(&format!("/logs/{}", encoded(name))).await
    }

    /// The first entries of a log after a number.
    pub(crate) async fn entries(&self, name: &str, after: u64) -> Result<Entries, AdminError> {
        let name = encoded(name);
        self.get(&format!("/logs/{name}/entries?after={after}"))
            .await
    }

    pub(crate) async fn delete(&self, names: &[String]) -> Result<Vec<LogInfo>, AdminError> {
        let names = Names {
            names: names.to_vec(),
        };
        self.post("/delete", &names).await
    }

    pub(crate) async fn compact(&self) -> Result<Compacted, AdminError> {
        self.post("/compact", &()).await
    }

    /// Writes a backup of all logs.
    pub(crate) async fn backup(&self, out: &mut dyn Write) -> Result<(), AdminError> {
        let response = self.ask(Method::GET, "/backup", Bytes::new()).await?;
        let mut body = response.into_body();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| self.unreachable(&error))?;
            if let Ok(part) = frame.into_data() {
                out.write_all(&part)?;
            }
        }
        Ok(())
    }

    /// All open sockets, as JSON.
    pub(crate) async fn clients(&self) -> Result<Vec<serde_json::Value>, AdminError> {
        self.get("/clients").await
    }

    pub(crate) async fn kick(&self, whom: &Whom) -> Result<usize, AdminError> {
        let Kicked { kicked } = self.post("/kick", whom).await?;
        Ok(kicked)
    }

    pub(crate) async fn drain(&self) -> Result<(), AdminError> {
        self.post::<serde_json::Value>("/drain", &()).await?;
        Ok(())
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, AdminError> {
        let response = self.ask(Method::GET, path, Bytes::new()).await?;
        self.parsed(response).await
    }

    async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        request: &impl Serialize,
    ) -> Result<T, AdminError> {
        let body = serde_json::to_vec(request).map_err(|error| self.unreachable(&error))?;
        let response = self.ask(Method::POST, path, body.into()).await?;
        self.parsed(response).await
    }

    /// Asks on a connection of its own, and looks at the status of the answer.
    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Response<Incoming>, AdminError> {
        let answered = timeout(PATIENCE, self.exchange(method, path, body)).await;
        let response = answered.unwrap_or_else(|_| {
            let reason = format!("no answer within {PATIENCE:?}");
            Err(self.unreachable(&reason))
        })?;
        if response.status() == StatusCode::OK {
            return Ok(response);
        }
        let status = response.status();
        let reason = match self.parsed(response).await {
            Ok(Problem { error }) => error,
            Err(_) => status.to_string(),
        };
        Err(AdminError::Refused { reason })
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Response<Incoming>, AdminError> {
        let AdminUrl(authority) = &self.url;
        let stream = TcpStream::connect(authority).await;
        let stream = stream.map_err(|error| self.unreachable(&error))?;
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(|error| self.unreachable(&error))?;
        tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, authority)
            .header(AUTHORIZATION, format!("Bearer {}", self.token.reveal()))
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|error| self.unreachable(&error))?;
        let response = sender.send_request(request).await;
        response.map_err(|error| self.unreachable(&error))
    }

    async fn parsed<T: DeserializeOwned>(
        &self,
        response: Response<Incoming>,
    ) -> Result<T, AdminError> {
        let body = response.into_body().collect().await;
        let body = body.map_err(|error| self.unreachable(&error))?;
        let parsed = serde_json::from_slice(&body.to_bytes());
        parsed.map_err(|error| self.unreachable(&error))
    }

    fn unreachable(&self, reason: &dyn ToString) -> AdminError {
        AdminError::Unreachable {
            address: format!("http://{}", self.url.0),
            reason: reason.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_port_and_no_path() {
        for good in [
            "http://127.0.0.1:9090",
            "http://[::1]:9090/",
            "http://edit:80",
        ] {
            assert!(AdminUrl::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "127.0.0.1:9090",
            "https://h:1",
            "http://h",
            "http://h:1/x",
            "http://h:99999",
        ] {
            assert!(AdminUrl::parse(bad).is_err(), "{bad}");
        }
    }
}
