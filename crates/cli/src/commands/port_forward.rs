//! `outrigger port-forward`: who connects here speaks with a port of a Pod.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use outrigger_api::Resource;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::args::{Places, PortForward};
use crate::client::{Ask, Client, Place};
use crate::failure::Failure;
use crate::{kinds, screen};

/// The protocol in which a port has a channel for its bytes and one for what went wrong.
const PROTOCOL: &str = "v4.channel.k8s.io";
const DATA: u8 = 0;
const WRONG: u8 = 1;
/// The first message of each channel only names the port.
const NAME_LENGTH: usize = 2;
const PIECE: usize = 32 << 10;

/// Forwards until it is stopped.
pub(crate) fn port_forward(places: &Places, forward: &PortForward) -> Result<u8, Failure> {
    let client = Client::of(places)?;
    let ports = forward
        .ports
        .iter()
        .map(|ports| parse(ports))
        .collect::<Result<Vec<_>, _>>()?;
    Client::run(async {
        let name = kinds::pod(&forward.pod)?;
        let place = Place::one(Resource::Pods, &forward.namespace.name, name);
        let pod = client.json(Ask::get(place.clone())).await?;
        if pod["status"]["phase"] != "Running" {
            return Err(Failure::say(format!(
                "unable to forward port because pod is not running. Current status={}",
                pod["status"]["phase"].as_str().unwrap_or("Unknown")
            )));
        }
        let mut doors = JoinSet::new();
        for (local, remote) in ports {
            for door in listen(&forward.address, local).await? {
                let here = door
                    .local_addr()
                    .map_err(|error| Failure::of("listen", &error))?;
                screen::output(format!("Forwarding from {here} -> {remote}\n").as_bytes())?;
                doors.spawn(serve(client.clone(), place.clone(), door, remote));
            }
        }
        match doors.join_next().await {
            Some(Ok(Err(failure))) => Err(failure),
            _ => Ok(0),
        }
    })
}

/// Reads `LOCAL:REMOTE`, `REMOTE` or `:REMOTE`.
fn parse(text: &str) -> Result<(u16, u16), Failure> {
    let wrong = || {
        Failure::say(format!(
            "error parsing {text:?}: ports are LOCAL:REMOTE, REMOTE or :REMOTE, from 1 to 65535"
        ))
    };
    let (local, remote) = text.split_once(':').unwrap_or((text, text));
    let remote: u16 = remote.parse().map_err(|_| wrong())?;
    let local = match local {
        "" => 0,
        local => local.parse().map_err(|_| wrong())?,
    };
    match remote {
        0 => Err(wrong()),
        remote => Ok((local, remote)),
    }
}

/// Opens a port at each address; of the two of `localhost` one is enough.
async fn listen(addresses: &[String], port: u16) -> Result<Vec<TcpListener>, Failure> {
    let mut doors: Vec<TcpListener> = Vec::new();
    for address in addresses {
        let (hosts, one_is_enough): (Vec<IpAddr>, bool) = match address.as_str() {
            "localhost" => (
                vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
                true,
            ),
            other => match other.parse() {
                Ok(host) => (vec![host], false),
                Err(_) => {
                    return Err(Failure::say(format!(
                        "{other:?} is neither localhost nor an IP address"
                    )));
                }
            },
        };
        let mut opened = 0;
        let mut problem = None;
        let mut port = port;
        for host in hosts {
            match TcpListener::bind(SocketAddr::new(host, port)).await {
                Ok(door) => {
                    // Both addresses of localhost have the same port, also if any will do.
                    port = door.local_addr().map_or(port, |address| address.port());
                    opened += 1;
                    doors.push(door);
                }
                Err(error) => problem = Some((host, error)),
            }
        }
        if let Some((host, error)) = problem
            && (opened == 0 || !one_is_enough)
        {
            return Err(Failure::of(
                &format!("listen on {host} port {port}"),
                &error,
            ));
        }
    }
    Ok(doors)
}

async fn serve(
    client: Client,
    place: Place,
    door: TcpListener,
    remote: u16,
) -> Result<(), Failure> {
    let local = door.local_addr().map_or(0, |address| address.port());
    let mut flows = JoinSet::new();
    loop {
        tokio::select! {
            came = door.accept() => {
                let (stream, _) = came.map_err(|error| Failure::of("accept a connection", &error))?;
                screen::output(format!("Handling connection for {local}\n").as_bytes())?;
                let (client, place) = (client.clone(), place.clone());
                flows.spawn(async move {
                    if let Err(failure) = flow(&client, place, stream, remote).await {
                        screen::error(&failure.0);
                    }
                });
            }
            Some(_) = flows.join_next() => {}
        }
    }
}

async fn flow(
    client: &Client,
    place: Place,
    mut stream: TcpStream,
    remote: u16,
) -> Result<(), Failure> {
    let place = place.below("portforward").with("ports", remote);
    let (mut sender, mut channels) = client.channels(place, PROTOCOL).await?;
    let (mut reader, mut writer) = stream.split();
    let outward = async {
        let mut piece = vec![0; PIECE];
        while let Ok(length @ 1..) = reader.read(&mut piece).await {
            if !sender.send(DATA, &piece[..length]).await {
                break;
            }
        }
        // The protocol has no word for the end of one direction: the answer may still be on its way.
        std::future::pending::<()>().await;
    };
    let inward = async {
        let mut named = [false; 2];
        while let Some((channel, bytes)) = channels.next().await {
            match named.get_mut(usize::from(channel)) {
                Some(is_named @ false) if bytes.len() == NAME_LENGTH => *is_named = true,
                _ if channel == WRONG => {
                    return Err(Failure::say(String::from_utf8_lossy(&bytes)));
                }
                // A client that is gone hears no more.
                _ if writer.write_all(&bytes).await.is_err() => break,
                _ => {}
            }
        }
        // It may be gone already.
        writer.shutdown().await.ok();
        Ok(())
    };
    tokio::select! {
        () = outward => Ok(()),
        done = inward => done,
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn ports_are_read_as_kubectl_reads_them() {
        assert_eq!(parse("8080:80").unwrap(), (8080, 80));
        assert_eq!(parse("80").unwrap(), (80, 80));
        assert_eq!(parse(":80").unwrap(), (0, 80));
        for wrong in ["", "0", "80:0", "a:80", "80:", "1:2:3", "70000"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
