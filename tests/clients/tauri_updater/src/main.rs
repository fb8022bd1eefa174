//! An app of Tauri without a window, which looks for an update and downloads it with the updater of Tauri itself.
//!
//! `tauri-updater VERSION PUBLIC_KEY ENDPOINT [NAME VALUE]...`, the pairs being headers. It says in one line of JSON
//! `{"update": null}`, or the update with the number of its bytes and their SHA-256, or `{"stage", "error"}` and fails.

use std::process::ExitCode;

use serde_json::{json, Value};
use sha2::{Digest, Sha256};
use tauri::test::{mock_builder, mock_context, noop_assets, MockRuntime};
use tauri::App;
use tauri_plugin_updater::UpdaterExt;

type Failure = Box<dyn std::error::Error>;

/// An app of this version; the updater is configured as it would be in `tauri.conf.json`.
fn app(version: &str, public_key: &str, endpoint: &str) -> Result<App<MockRuntime>, Failure> {
    let mut context = mock_context(noop_assets());
    context.package_info_mut().version = version.parse()?;
    let updater = json!({
        "pubkey": public_key,
        "endpoints": [endpoint],
        "dangerousInsecureTransportProtocol": true,
    });
    context.config_mut().plugins.0.insert("updater".into(), updater);
    Ok(mock_builder().plugin(tauri_plugin_updater::Builder::new().build()).build(context)?)
}

/// What was found and downloaded; a failure comes with the stage that it happened in.
async fn update(words: &[String]) -> Result<Value, (&'static str, Failure)> {
    let [version, public_key, endpoint, headers @ ..] = words else {
        return Err(("start", "usage: VERSION PUBLIC_KEY ENDPOINT [NAME VALUE]...".into()));
    };
    let app = app(version, public_key, endpoint).map_err(|error| ("start", error))?;
    let mut builder = app.updater_builder().no_proxy();
    for header in headers.chunks_exact(2) {
        builder = builder.header(header[0].as_str(), header[1].as_str()).map_err(|error| ("start", error.into()))?;
    }
    let updater = builder.build().map_err(|error| ("start", error.into()))?;
    let Some(found) = updater.check().await.map_err(|error| ("check", error.into()))? else {
        return Ok(json!({"update": null}));
    };
    let mut announced = None;
    let content =
        found.download(|_, length| announced = length, || ()).await.map_err(|error| ("download", error.into()))?;
    Ok(json!({"update": {
        "version": found.version,
        "notes": found.body,
        "date": found.date.map(|date| date.unix_timestamp()),
        "url": found.download_url.as_str(),
        "announced": announced,
        "size": content.len(),
        "sha256": format!("{:x}", Sha256::digest(&content)),
    }}))
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match tauri::async_runtime::block_on(update(&words)) {
        Ok(said) => {
            println!("{said}");
            ExitCode::SUCCESS
        }
        Err((stage, error)) => {
            println!("{}", json!({"stage": stage, "error": error.to_string()}));
            ExitCode::FAILURE
        }
    }
}
