//! The server within the test's own process, for what can't be configured.
#![allow(dead_code, unreachable_pub, reason = "each test program uses its own part")]

use std::time::Duration;

use greenroom::Runtime;
use greenroom::config::{Environment, Source, load};
use greenroom::frontends::http::{AdminToken, HttpArgs, Server};
use greenroom_tests::harness::Home;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::http_support::Api;

const TOKEN: &str = "local-token";

/// A running server.
pub struct Local {
    pub api: Api,
    pub stop: CancellationToken,
    pub served: JoinHandle<std::io::Result<()>>,
    _home: Home,
}

impl Local {
    /// Starts it with this configuration.
    pub async fn start(config: &str, heartbeat: Duration, grace: Duration) -> Self {
        Self::start_as(config, grace, Vec::new(), |server| server.heartbeat(heartbeat)).await
    }

    /// Starts it with this configuration, made as `made` says, and reached by these names as well.
    pub async fn start_as(
        config: &str,
        grace: Duration,
        allowed_hosts: Vec<String>,
        made: impl FnOnce(Server) -> Server,
    ) -> Self {
        let home = Home::new();
        home.config(config);
        let source = Source::locate(Some(&home.config_path()), Environment::empty());
        let settings = load(&source).unwrap_or_else(|problems| panic!("{problems}")).settings;
        let runtime = Runtime::builder().settings(settings).start().await.unwrap();
        let args = HttpArgs {
            listen: ([127, 0, 0, 1], 0).into(),
            token: AdminToken::new(TOKEN),
            tls: None,
            allowed_hosts,
            allowed_origins: Vec::new(),
            max_body: 1 << 20,
            grace,
        };
        let server = made(Server::bind(args, runtime).await.unwrap());
        let api = Api { url: format!("http://{}", server.address()), token: TOKEN.to_owned() };
        let stop = CancellationToken::new();
        let served = tokio::spawn(server.run(stop.clone()));
        Self { api, stop, served, _home: home }
    }
}
