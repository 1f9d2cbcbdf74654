//! Finds the built web app for embedding, or writes a page that says how to build it.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

const PLACEHOLDER: &str = r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>The app is not built yet</title>
<h1>The app is not built yet</h1>
<p>The signaling server is running, but it was compiled without the web app.</p>
<p>Stop it and run <code>scripts/run</code>: that builds the app, then the server with the app inside.</p>
</html>
"#;

fn main() -> io::Result<()> {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    let web = here.join("../web");
    let app = web.join("app/dist");

    println!("cargo::rerun-if-changed=build.rs");
    // Cargo takes a watched path that is missing as changed every time, so watch the nearest folder
    // that is there.
    if let Some(watched) = [&app, &web.join("app"), &web]
        .into_iter()
        .find(|path| path.is_dir())
    {
        println!("cargo::rerun-if-changed={}", watched.display());
    }

    let folder = if app.join("index.html").is_file() {
        app
    } else {
        placeholder(&out)?
    };
    println!("cargo::rustc-env=WEB_APP_DIR={}", folder.display());
    Ok(())
}

fn placeholder(out: &Path) -> io::Result<PathBuf> {
    let folder = out.join("placeholder");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("index.html"), PLACEHOLDER)?;
    Ok(folder)
}
