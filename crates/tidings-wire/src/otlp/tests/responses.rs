use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceResponse,
};

use super::*;

/// `google.rpc.Status` and what is in it, by its definition.
#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Detail>,
}

#[derive(Clone, PartialEq, Message)]
struct Detail {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<Delay>,
}

#[derive(Clone, PartialEq, Message)]
struct Delay {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

fn status(kind: &str, seconds: i64, nanos: i32) -> Vec<u8> {
    let retry_delay = Some(Delay { seconds, nanos });
    let detail = |kind: &str, value: Vec<u8>| Detail {
        type_url: format!("type.googleapis.com/google.rpc.{kind}"),
        value,
    };
    let status = Status {
        code: 8,
        message: "later".to_owned(),
        details: vec![
            detail("DebugInfo", vec![0xff]),
            detail(kind, RetryInfo { retry_delay }.encode_to_vec()),
        ],
    };
    status.encode_to_vec()
}

#[test]
fn partial_success_is_read() {
    let partial = |rejected_log_records, error_message: &str| ExportLogsServiceResponse {
        partial_success: Some(ExportLogsPartialSuccess {
            rejected_log_records,
            error_message: error_message.to_owned(),
        }),
    };
    let reply = Reply::read(&partial(3, "too old").encode_to_vec()).unwrap();
    assert_eq!((reply.rejected, reply.message.as_str()), (3, "too old"));
    assert_eq!(
        Reply::read(&partial(-3, "").encode_to_vec()).unwrap(),
        Reply::default()
    );
    assert_eq!(Reply::read(&[]).unwrap(), Reply::default());
    assert!(Reply::read(b"<html>").is_err());
    let long = "é".repeat(9000);
    let reply = Reply::read(&partial(1, &long).encode_to_vec()).unwrap();
    assert!(reply.message.len() <= 4098);
}

#[test]
fn advice_on_retrying_is_read() {
    let read = RpcStatus::read(&status("RetryInfo", 2, 500_000_000)).unwrap();
    assert_eq!((read.code, read.message.as_str()), (8, "later"));
    assert_eq!(read.retry_after, Some(Duration::from_millis(2500)));
    for (kind, seconds, nanos) in [
        ("RetryInfo", -1, 0),
        ("RetryInfo", 1, -1),
        ("RetryInfo", 1, 1_000_000_000),
        ("QuotaFailure", 1, 0),
    ] {
        let read = RpcStatus::read(&status(kind, seconds, nanos)).unwrap();
        assert_eq!(read.retry_after, None, "{kind} {seconds} {nanos}");
    }
    let at_once = RpcStatus::read(&status("RetryInfo", 0, 0)).unwrap();
    assert_eq!(at_once.retry_after, Some(Duration::ZERO));
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        let _ = Reply::read(&bytes);
        let _ = RpcStatus::read(&bytes);
    }
}
