//! The web app, embedded in the binary at build time.

use std::borrow::Cow;

use bytes::Bytes;
use rust_embed::{EmbeddedFile, RustEmbed};
use warp::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    HeaderMap, HeaderName, HeaderValue, IF_NONE_MATCH, REFERRER_POLICY, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use warp::http::{Response, StatusCode};

/// What the pages may do: run their own scripts and WebAssembly and nothing fetched from elsewhere,
/// with the inline styles that the editor sets. Sockets, and the requests that take their place, may go
/// to any server, because the address of the signaling server is the user's choice. Nobody may frame the pages.
const CONTENT_POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; \
    style-src 'self' 'unsafe-inline'; connect-src 'self' ws: wss: http: https:; img-src 'self' data: blob:; \
    font-src 'self' data:; manifest-src 'self'; worker-src 'self' blob:; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'";

/// The bundler puts a hash of the content into the names of the files in this folder, so a name
/// never comes back with other content.
const HASHED_FOLDER: &str = "assets/";

#[derive(RustEmbed)]
#[folder = "$WEB_APP_DIR"]
struct WebApp;

/// The forms in which the build leaves a file beside the file itself: their names in HTTP (RFC 9110,
/// section 8.4.1), and what stands behind the name of the file. The smallest comes first.
const ENCODINGS: [(&str, &str); 2] = [("br", ".br"), ("gzip", ".gz")];

/// The file at a path of the app (`""` is its page), or `None`. Of `headers`, `If-None-Match` says what
/// the browser has: where that is the file, the answer has no body. `Accept-Encoding` says in which forms
/// it takes it.
pub(crate) fn serve(path: &str, headers: &HeaderMap) -> Option<Response<Bytes>> {
    let path = if path.is_empty() { "index.html" } else { path };
    if is_hidden(path) {
        return None;
    }
    let (encoding, file) = smallest(path, headers)?;
    let tag = entity_tag(&file)?;
    let known = headers.get(IF_NONE_MATCH);
    let unchanged = known.is_some_and(|known| lists(known, &tag));

    let mut response = Response::new(Bytes::new());
    if unchanged {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    } else {
        *response.body_mut() = match file.data {
            Cow::Borrowed(data) => Bytes::from_static(data),
            Cow::Owned(data) => data.into(),
        };
    }
    let mut set = |name: HeaderName, value: HeaderValue| response.headers_mut().insert(name, value);
    set(CONTENT_TYPE, content_type(path));
    set(VARY, HeaderValue::from_static("accept-encoding"));
    if let Some(encoding) = encoding {
        set(CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    set(ETAG, tag);
    set(CACHE_CONTROL, HeaderValue::from_static(caching(path)));
    set(
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(CONTENT_POLICY),
    );
    set(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    set(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Some(response)
}

/// The smallest form of a file that the browser takes.
fn smallest(path: &str, headers: &HeaderMap) -> Option<(Option<&'static str>, EmbeddedFile)> {
    let taken = ENCODINGS.iter().filter(|(name, _)| accepts(headers, name));
    for (name, suffix) in taken {
        if let Some(file) = WebApp::get(&format!("{path}{suffix}")) {
            return Some((Some(name), file));
        }
    }
    Some((None, WebApp::get(path)?))
}

/// Whether `Accept-Encoding` lists an encoding, and not with the weight 0 (RFC 9110, section 12.5.3).
fn accepts(headers: &HeaderMap, encoding: &str) -> bool {
    let lines = headers.get_all(ACCEPT_ENCODING).iter();
    let listed = lines.filter_map(|line| line.to_str().ok());
    listed.flat_map(|line| line.split(',')).any(|one| {
        let (name, parameters) = one.split_once(';').unwrap_or((one, ""));
        let weight = parameters.trim().strip_prefix("q=");
        let refused = weight.and_then(|weight| weight.parse().ok()) == Some(0.0);
        name.trim().eq_ignore_ascii_case(encoding) && !refused
    })
}

/// Whether a file is the build's own: notes of its tools, and other forms of files.
fn is_hidden(path: &str) -> bool {
    path.starts_with('.') || ENCODINGS.iter().any(|(_, suffix)| path.ends_with(suffix))
}

fn caching(path: &str) -> &'static str {
    if path.starts_with(HASHED_FOLDER) {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    }
}

fn content_type(path: &str) -> HeaderValue {
    let mime = mime_guess::from_path(path).first_or_octet_stream();
    let text = match (mime.type_().as_str(), mime.subtype().as_str()) {
        ("text", _) | (_, "javascript" | "json") => format!("{mime}; charset=utf-8"),
        _ => mime.to_string(),
    };
    HeaderValue::try_from(text)
        .unwrap_or_else(|_| HeaderValue::from_static("application/octet-stream"))
}

fn entity_tag(file: &EmbeddedFile) -> Option<HeaderValue> {
    let hash = file.metadata.sha256_hash();
    let hex: String = hash
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    HeaderValue::try_from(format!("\"{hex}\"")).ok()
}

/// Whether the list of tags in an `If-None-Match` names this one, weakly or not.
fn lists(known: &HeaderValue, tag: &HeaderValue) -> bool {
    let (Ok(known), Ok(tag)) = (known.to_str(), tag.to_str()) else {
        return false;
    };
    known
        .split(',')
        .map(str::trim)
        .any(|one| one.strip_prefix("W/").unwrap_or(one) == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_those_that_browsers_insist_on() {
        assert_eq!(content_type("a.wasm"), "application/wasm");
        assert_eq!(
            content_type("assets/index-1a2b.js"),
            "text/javascript; charset=utf-8"
        );
        assert_eq!(content_type("index.html"), "text/html; charset=utf-8");
        assert_eq!(content_type("style.css"), "text/css; charset=utf-8");
        assert_eq!(content_type("icon.svg"), "image/svg+xml");
        assert_eq!(content_type("unknown"), "application/octet-stream");
    }

    #[test]
    fn only_names_with_a_hash_are_kept_for_good() {
        assert!(caching("assets/index-1a2b.js").contains("immutable"));
        assert_eq!(caching("index.html"), "no-cache");
        assert_eq!(caching("worker.js"), "no-cache");
    }

    #[test]
    fn a_browser_that_has_the_page_gets_no_body() {
        let page = serve("", &HeaderMap::new()).unwrap();
        let ask = |known: HeaderValue| {
            let headers = HeaderMap::from_iter([(IF_NONE_MATCH, known)]);
            serve("", &headers).unwrap()
        };
        assert_eq!(page.status(), StatusCode::OK);
        assert!(!page.body().is_empty());
        let tag = page.headers()[ETAG].clone();
        let weak = HeaderValue::try_from(format!("\"x\", W/{}", tag.to_str().unwrap())).unwrap();
        for known in [tag, weak] {
            let again = ask(known);
            assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
            assert!(again.body().is_empty());
        }
        let other = HeaderValue::from_static("\"x\"");
        assert_eq!(ask(other).status(), StatusCode::OK);
    }

    #[test]
    fn paths_do_not_lead_out_of_the_app() {
        for path in [
            "../Cargo.toml",
            "/etc/passwd",
            "assets/../../src/lib.rs",
            "no-such-file",
            ".built-from",
            "index.html.br",
            "index.html.gz",
        ] {
            assert!(serve(path, &HeaderMap::new()).is_none(), "{path}");
        }
    }

    #[test]
    fn only_what_the_browser_takes_is_sent() {
        for (line, encoding, taken) in [
            ("gzip, deflate, br, zstd", "br", true),
            ("gzip;q=1.0, BR ; q=0.5", "br", true),
            ("br;q=0, gzip", "br", false),
            ("br;q=0.000", "br", false),
            ("gzip", "br", false),
            ("brotli", "br", false),
            ("", "gzip", false),
        ] {
            let value = HeaderValue::from_static(line);
            let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, value)]);
            assert_eq!(accepts(&headers, encoding), taken, "{line}");
        }
        assert!(!accepts(&HeaderMap::new(), "br"));
    }
}
