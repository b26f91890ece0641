//! Where requests go: the URL of each signal.

use reqwest::Url;

use crate::settings::SettingsError;

/// Whether a text can be an endpoint.
///
/// # Errors
/// As [`Endpoint::parse`].
pub(crate) fn check_endpoint(object: &str, text: &str) -> Result<(), SettingsError> {
    Endpoint::parse(object, text).map(|_| ())
}

/// What a request carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// Log records.
    Logs,
    /// Spans.
    Traces,
    /// Metrics.
    Metrics,
}

impl Signal {
    /// The path where the URL of the endpoint has none.
    fn http_path(self) -> &'static str {
        match self {
            Signal::Logs => "/v1/logs",
            Signal::Traces => "/v1/traces",
            Signal::Metrics => "/v1/metrics",
        }
    }

    /// The path of the method in the collector's services.
    pub(super) fn grpc_path(self) -> &'static str {
        match self {
            Signal::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
            Signal::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
            Signal::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        }
    }

    /// The word for what it carries, for people.
    pub(super) fn items(self) -> &'static str {
        match self {
            Signal::Logs => "log records",
            Signal::Traces => "spans",
            Signal::Metrics => "metrics",
        }
    }
}

/// The endpoint of the settings.
#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    url: Url,
}

impl Endpoint {
    /// Reads the URL.
    ///
    /// # Errors
    /// When it is not one of `http` or `https` with a host, or holds a name and password: those
    /// belong into `httpAuth`, which is never shown.
    pub(super) fn parse(object: &str, text: &str) -> Result<Endpoint, SettingsError> {
        let wrong = |value: &str, allowed: &str| {
            Err(SettingsError::new(object, "endpoint", value, allowed))
        };
        // What holds a password or a token is not shown.
        let shown = if text.contains(['@', '?', '#']) {
            "…"
        } else {
            text
        };
        let url = match Url::parse(text.trim()) {
            Ok(url) => url,
            Err(error) => {
                // It says what is wrong of the text but shows none of it.
                let allowed = format!("a URL that begins with http:// or https:// ({error})");
                return wrong(shown, &allowed);
            }
        };
        if url.port() == Some(0) {
            return wrong(shown, "a URL with a port from 1 to 65535");
        }
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return wrong(shown, "a URL that begins with http:// or https://");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return wrong(
                "…",
                "a URL without name and password, which have settings of their own",
            );
        }
        Ok(Endpoint { url })
    }

    /// The URL to which a signal is posted.
    pub(super) fn http(&self, signal: Signal) -> Url {
        let mut url = self.url.clone();
        if matches!(url.path(), "" | "/") {
            url.set_path(signal.http_path());
        }
        url
    }

    /// Scheme, host and port, for gRPC.
    pub(super) fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// The path of a method, behind that of the URL.
    pub(super) fn grpc(&self, signal: Signal) -> String {
        format!(
            "{}{}",
            self.url.path().trim_end_matches('/'),
            signal.grpc_path()
        )
    }

    /// Whether it is reached by TLS.
    pub(super) fn is_tls(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// The URL as it may be shown: without the query, which may hold a token.
    pub(super) fn shown(&self) -> String {
        without_query(self.url.clone())
    }

    /// The URL that a signal is sent to over HTTP, as it may be shown.
    pub(super) fn shown_for(&self, signal: Signal) -> String {
        without_query(self.http(signal))
    }
}

fn without_query(mut url: Url) -> String {
    url.set_query(None);
    url.set_fragment(None);
    url.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_added_only_where_there_is_none() {
        for (endpoint, logs) in [
            ("http://c:4318", "http://c:4318/v1/logs"),
            ("http://c:4318/", "http://c:4318/v1/logs"),
            ("https://c/?a=b", "https://c/v1/logs?a=b"),
            ("https://c/otlp", "https://c/otlp"),
            ("http://[::1]:4318/v1/traces", "http://[::1]:4318/v1/traces"),
        ] {
            let endpoint = Endpoint::parse("o", endpoint).unwrap();
            assert_eq!(endpoint.http(Signal::Logs).as_str(), logs);
        }
        let endpoint = Endpoint::parse("o", "https://c:4317/a/?token=x").unwrap();
        assert_eq!(endpoint.origin(), "https://c:4317");
        assert!(
            endpoint
                .grpc(Signal::Traces)
                .starts_with("/a/opentelemetry.")
        );
        assert_eq!(endpoint.shown(), "https://c:4317/a/");
        let bare = Endpoint::parse("o", "https://c:4318?token=x").unwrap();
        assert_eq!(bare.shown_for(Signal::Logs), "https://c:4318/v1/logs");
    }

    #[test]
    fn what_is_no_endpoint_is_refused() {
        for bad in [
            "",
            "c:4317",
            "ftp://c",
            "http://",
            "unix:/x",
            "http://u:secret@c",
            "http://u:secret@c:99999",
            "http://c:99999",
            "http://c:0",
            "http://c:port",
        ] {
            let error = Endpoint::parse("Tracer \"o\"", bad)
                .unwrap_err()
                .to_string();
            assert!(
                error.contains("endpoint") && !error.contains("secret"),
                "{error}"
            );
        }
    }
}
