//! The measure of `make bench`: the least that a Pingora proxy can do, in the same workspace and profile as Rampart.
//!
//! It forwards every request to one origin over pooled keep-alive connections. Same allocator, same number of threads,
//! nothing else: what Rampart costs more than this is what Rampart costs.
//!
//! Usage: `bare-proxy LISTEN ORIGIN [THREADS]`, for example `bare-proxy 127.0.0.1:9180 127.0.0.1:9000 2`.

use std::sync::Arc;

use async_trait::async_trait;
use pingora::prelude::HttpPeer;
use pingora::proxy::{ProxyHttp, Session, http_proxy_service};
use pingora::server::Server;
use pingora::server::configuration::{Opt, ServerConf};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct Bare {
    origin: String,
}

#[async_trait]
impl ProxyHttp for Bare {
    type CTX = ();

    fn new_ctx(&self) -> Self::CTX {}

    async fn upstream_peer(&self, _: &mut Session, (): &mut ()) -> pingora::Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.origin.as_str(), false, String::new())))
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (Some(listen), Some(origin)) = (arguments.first(), arguments.get(1)) else {
        eprintln!("usage: bare-proxy LISTEN ORIGIN [THREADS]");
        std::process::exit(2);
    };
    let threads = arguments.get(2).and_then(|threads| threads.parse().ok()).unwrap_or(2);
    let conf = ServerConf { threads, upstream_keepalive_pool_size: 128, ..ServerConf::default() };
    let mut server = Server::new_with_opt_and_conf(Some(Opt::default()), conf);
    server.bootstrap();
    let mut service = http_proxy_service(&Arc::clone(&server.configuration), Bare { origin: origin.clone() });
    service.add_tcp(listen);
    server.add_service(service);
    server.run_forever();
}
