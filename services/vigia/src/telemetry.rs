//! What operators see: the log on standard error, traces and metrics by OTLP, and metrics for Prometheus on a port of
//! their own, which is for operators only: `/metrics`.

use std::{io::IsTerminal, net::SocketAddr};

use anyhow::{Context, Result};
use axum::{Router, http::header::CONTENT_TYPE, routing::get};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{MetricExporter, SpanExporter, WithExportConfig};
use opentelemetry_sdk::{
    Resource,
    metrics::{Instrument, PeriodicReader, SdkMeterProvider, Stream},
    trace::SdkTracerProvider,
};
use prometheus::{Encoder, Registry, TEXT_FORMAT, TextEncoder};
use tokio::net::TcpListener;
use tracing_subscriber::{EnvFilter, Layer, layer::SubscriberExt, util::SubscriberInitExt};
use vigia_platform::metrics::CALL_SECONDS;

use crate::config::{Config, LogFormat};

/// Where the bounds of the durations of calls lie, in seconds: from what a list in memory takes to what a deadline is.
const SECONDS: [f64; 12] = [0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 10.0];

/// Ends the exporters when it is dropped: what they hold is sent first.
#[derive(Debug)]
pub struct Telemetry {
    metrics: SdkMeterProvider,
    traces: Option<SdkTracerProvider>,
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        // A collector that has gone takes nothing any more; the process ends all the same.
        let _ = self.metrics.shutdown();
        if let Some(traces) = &self.traces {
            let _ = traces.shutdown();
        }
    }
}

/// Sends the log to standard error (`RUST_LOG` wins over the configuration), and, where they are configured, traces and
/// metrics to a collector and metrics to whoever asks on the admin address.
pub async fn start(config: &Config) -> Result<Telemetry> {
    let filter = EnvFilter::try_from_default_env()
        .or_else(|_| EnvFilter::try_new(&config.log.filter))
        .unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let lines = match config.log.format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    let resource = Resource::builder().with_service_name("vigia").build();
    let traces = config.otlp.as_ref().map(|collector| {
        let exporter = SpanExporter::builder().with_tonic().with_endpoint(collector).build()?;
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource.clone());
        Ok::<_, anyhow::Error>(provider.build())
    });
    let traces = traces.transpose().context("otlp")?;
    let spans = traces
        .as_ref()
        .map(|traces| tracing_opentelemetry::layer().with_tracer(traces.tracer("vigia")));
    // A second subscriber is no error: the first one stays.
    let _ = tracing_subscriber::registry()
        .with(lines.with_filter(filter.clone()))
        .with(spans.with_filter(filter))
        .try_init();

    let registry = Registry::new();
    let mut metrics = SdkMeterProvider::builder()
        .with_resource(resource)
        .with_reader(opentelemetry_prometheus::exporter().with_registry(registry.clone()).build()?)
        .with_view(|instrument: &Instrument| {
            (instrument.name() == CALL_SECONDS).then(|| {
                let bounds = opentelemetry_sdk::metrics::Aggregation::ExplicitBucketHistogram {
                    boundaries: SECONDS.to_vec(),
                    record_min_max: false,
                };
                Stream::builder().with_aggregation(bounds).build().ok()
            })?
        });
    if let Some(collector) = &config.otlp {
        let exporter = MetricExporter::builder()
            .with_tonic()
            .with_endpoint(collector)
            .build()
            .context("otlp")?;
        metrics = metrics.with_reader(PeriodicReader::builder(exporter).build());
    }
    let metrics = metrics.build();
    opentelemetry::global::set_meter_provider(metrics.clone());
    if let Some(admin) = config.admin {
        serve_metrics(admin, registry).await?;
    }
    Ok(Telemetry { metrics, traces })
}

/// `GET /metrics` in Prometheus' text format.
async fn serve_metrics(address: SocketAddr, registry: Registry) -> Result<()> {
    let listener = TcpListener::bind(address).await.with_context(|| format!("admin: {address}"))?;
    let text = move || {
        let mut text = Vec::new();
        // Written to memory: what can't be written as text is left out.
        let _ = TextEncoder::new().encode(&registry.gather(), &mut text);
        std::future::ready(([(CONTENT_TYPE, TEXT_FORMAT)], text))
    };
    let app = Router::new().route("/metrics", get(text));
    tracing::info!(address = %listener.local_addr()?, "metrics");
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(())
}
