//! The service itself on a port of this machine, over a memory that is filled already. Whoever calls is let in: what a
//! token costs is measured by `calls`.

use std::net::{SocketAddr, TcpListener};

use tokio_stream::wrappers::TcpListenerStream;
use tonic::Request;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Server;
use vigia_compliance::Memory;
use vigia_platform::{Area, Caller, Clock, Db, Durability, Kit};

/// Serves on threads of its own until the process ends.
pub(crate) fn start(memory: Memory) -> Result<SocketAddr, Box<dyn std::error::Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    listener.set_nonblocking(true)?;
    let directory = tempfile::tempdir()?;
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(async {
            // All that was made up lies before this instant.
            let clock = Clock::simulated("2100-01-01T00:00:00Z".parse().expect("an instant"));
            let database = Db::open(Area::Compliance, directory.path(), Durability::Scratch, clock.clone()).await;
            let kit = Kit::new(database.expect("a database"), clock.clone());
            let let_in = move |mut request: Request<()>| {
                request.extensions_mut().insert(Caller::vigia(&clock, "bench"));
                Ok(request)
            };
            let service = InterceptedService::new(vigia_compliance::over(kit, memory), let_in);
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            let served = Server::builder().tcp_nodelay(true).add_service(service);
            served.serve_with_incoming(TcpListenerStream::new(listener)).await.expect("served");
        });
    });
    Ok(address)
}
