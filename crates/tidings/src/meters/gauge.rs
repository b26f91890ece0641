//! The gauges of the catalogue.

use tidings_event::MetricInfo;

/// A gauge of the catalogue: a value that goes up and down, never below zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Gauge {
    /// `server.memory`: resident bytes of the process; set from time to time.
    ServerMemory,
    /// `queue.count`: messages in the queue; follows the events, and is set from time to time.
    QueueCount,
    /// `user.count`: accounts; set from time to time.
    UserCount,
    /// `domain.count`: domains; set from time to time.
    DomainCount,
    /// `smtp.active-connections`; follows the events, as do all below.
    SmtpConnections,
    /// `delivery.active-connections`.
    DeliveryConnections,
    /// `imap.active-connections`.
    ImapConnections,
    /// `pop3.active-connections`.
    Pop3Connections,
    /// `http.active-connections`.
    HttpConnections,
    /// `sieve.active-connections`.
    SieveConnections,
}

impl Gauge {
    /// All of them, in the order in which the reference exports them.
    pub const ALL: [Gauge; 10] = [
        Gauge::ServerMemory,
        Gauge::QueueCount,
        Gauge::UserCount,
        Gauge::DomainCount,
        Gauge::SmtpConnections,
        Gauge::DeliveryConnections,
        Gauge::ImapConnections,
        Gauge::Pop3Connections,
        Gauge::HttpConnections,
        Gauge::SieveConnections,
    ];

    /// Dotted name, as in the catalogue.
    pub fn name(self) -> &'static str {
        match self {
            Gauge::ServerMemory => "server.memory",
            Gauge::QueueCount => "queue.count",
            Gauge::UserCount => "user.count",
            Gauge::DomainCount => "domain.count",
            Gauge::SmtpConnections => "smtp.active-connections",
            Gauge::DeliveryConnections => "delivery.active-connections",
            Gauge::ImapConnections => "imap.active-connections",
            Gauge::Pop3Connections => "pop3.active-connections",
            Gauge::HttpConnections => "http.active-connections",
            Gauge::SieveConnections => "sieve.active-connections",
        }
    }

    /// What the catalogue says of it.
    pub fn info(self) -> &'static MetricInfo {
        MetricInfo::from_name(self.name()).expect("a test looks up every gauge")
    }
}

#[cfg(test)]
mod tests {
    use tidings_event::MetricKind;

    use super::*;

    #[test]
    fn every_gauge_is_in_the_catalogue() {
        for (at, gauge) in Gauge::ALL.into_iter().enumerate() {
            assert_eq!(gauge.info().kind, MetricKind::Gauge);
            assert_eq!(gauge as usize, at);
        }
    }
}
