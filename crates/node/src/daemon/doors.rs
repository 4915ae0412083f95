//! Where do requests come in? The API has a thread and a runtime of its own: however many clients there
//! are, the loop over the Pods and their probes are not kept waiting.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use outrigger_api::{Edges, Front, Limits, Store};
use tokio::sync::{oneshot, watch};

use super::DaemonSettings;
use super::cluster::Ward;
use crate::directories::make;
use crate::hands::chain;

/// A thread that worked at a request is kept so long for the next one. What it holds back for itself is free only
/// when it ends, and then the API gives it back ([`outrigger_api::Edges::relax`]).
const THREAD_KEEP_ALIVE: Duration = Duration::from_secs(1);

/// The doors, while they are open.
pub(crate) struct Doors {
    socket: PathBuf,
    shutdown: watch::Sender<bool>,
    ended: oneshot::Receiver<Result<(), String>>,
}

impl Doors {
    /// Makes what clients need, and opens. When it returns, clients can connect.
    ///
    /// # Errors
    /// If a door cannot be opened, or a file that clients need cannot be written.
    pub(crate) fn open(
        settings: &DaemonSettings,
        store: Store,
        ward: Ward,
        host: &str,
    ) -> Result<Doors, String> {
        let listen = settings.listen;
        let tcp = std::net::TcpListener::bind(listen).map_err(|error| {
            format!("listen on {listen}: {error}; another address can be given with --listen")
        })?;
        let listen = tcp.local_addr().unwrap_or(listen);
        let root = &settings.settings.directories.root;
        let names = [host.to_owned(), listen.ip().to_string()];
        let pki = outrigger_api::prepare_pki(root, &names, SystemTime::now())
            .map_err(|error| chain(&error))?;
        if let Some(news) = &pki.news {
            tracing::warn!("{news}");
        }
        let tls = pki.server_config().map_err(|error| chain(&error))?;
        if let Some(folder) = settings.socket.parent() {
            make(folder, 0o700)?;
        }
        let unix = outrigger_api::listen_unix(&settings.socket).map_err(|error| chain(&error))?;
        tcp.set_nonblocking(true)
            .map_err(|error| format!("listen on {listen}: {error}"))?;
        // Only now is it certain that nobody else serves here: the file may be the one of a daemon that does.
        let server = format!("https://{}", reached_at(listen));
        outrigger_api::write_kubeconfig(&settings.kubeconfig, &server, &pki)
            .map_err(|error| chain(&error))?;

        let relax = settings.relax;
        let front = Arc::new(Front::new(store, Arc::new(ward), host));
        let (shutdown, stop) = watch::channel(false);
        let (sender, ended) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .thread_keep_alive(THREAD_KEEP_ALIVE)
            .build()
            .map_err(|error| format!("start the API's runtime: {error}"))?;
        let work = move || {
            let served = runtime.block_on(async {
                let edges = Edges {
                    tcp: tokio::net::TcpListener::from_std(tcp)
                        .map_err(|error| error.to_string())?,
                    tls,
                    unix: tokio::net::UnixListener::from_std(unix)
                        .map_err(|error| error.to_string())?,
                    relax,
                };
                let house = Arc::clone(&front);
                tokio::spawn(async move { house.keep_house().await });
                outrigger_api::serve(front, edges, limits(), stop).await;
                Ok(())
            });
            // What still waits in a task, such as a log's follower, is of no use any more.
            runtime.shutdown_background();
            sender.send(served).ok();
        };
        std::thread::Builder::new()
            .name("outrigger-api".to_owned())
            .spawn(work)
            .map_err(|error| format!("start a thread: {error}"))?;
        Ok(Doors {
            socket: settings.socket.clone(),
            shutdown,
            ended,
        })
    }

    /// Waits until the doors close by themselves, and says why.
    pub(crate) async fn broken(&mut self) -> String {
        match (&mut self.ended).await {
            Ok(Err(problem)) => format!("serve the API: {problem}"),
            Ok(Ok(())) => "the API ended by itself".to_owned(),
            Err(_) => "the API's thread broke off".to_owned(),
        }
    }

    /// Closes them; requests that are under way have a moment to end.
    pub(crate) async fn close(self) {
        // A thread that has ended needs no word.
        self.shutdown.send(true).ok();
        if !self.ended.is_terminated() {
            self.ended.await.ok();
        }
        if let Err(error) = std::fs::remove_file(&self.socket) {
            tracing::warn!("remove {}: {error}", self.socket.display());
        }
    }
}

/// As many connections as this process may open files for, some of them for root's own commands.
fn limits() -> Limits {
    let usual = Limits::default();
    let files = usize::try_from(crate::open_files::connections()).unwrap_or(usize::MAX);
    let strangers = usual.strangers.min(files / 3);
    let connections = usual.connections.min(files - strangers);
    Limits {
        strangers,
        connections,
        connections_reserved: usual.connections_reserved.min(connections / 4),
        ..usual
    }
}

/// Where a client on this machine finds what listens there: one that listens at every address has none to be
/// called by, and no certificate is valid for it.
fn reached_at(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_listens_everywhere_is_reached_over_loopback() {
        for (listen, reached) in [
            ("0.0.0.0:6553", "127.0.0.1:6553"),
            ("[::]:6553", "[::1]:6553"),
            ("10.0.0.1:6553", "10.0.0.1:6553"),
        ] {
            assert_eq!(reached_at(listen.parse().unwrap()).to_string(), reached);
        }
    }
}
