//! A sink that could not be made yet: its driver tries again until it can.

use std::sync::Arc;
use std::time::Duration;

use crate::batch::Batch;
use crate::outputs::SinkMaker;
use crate::settings::Tracer;
use crate::sink::{Batching, Failure, Outcome, Sink};

/// Stands for the sink of a tracer until that can be made, and hands everything on to it afterwards.
pub(crate) struct MadeLater {
    make: Arc<SinkMaker>,
    tracer: Tracer,
    made: Option<Box<dyn Sink>>,
}

impl MadeLater {
    pub(crate) fn new(make: Arc<SinkMaker>, tracer: Tracer) -> MadeLater {
        MadeLater {
            make,
            tracer,
            made: None,
        }
    }

    fn made(&mut self) -> Result<&mut dyn Sink, Failure> {
        let made = match self.made.take() {
            Some(made) => made,
            None => (self.make)(&self.tracer).map_err(|reason| {
                let kind = self.tracer.variant.error_kind();
                Failure::new(kind, "it cannot run yet and is tried again", reason)
            })?,
        };
        Ok(self.made.insert(made).as_mut())
    }
}

impl Sink for MadeLater {
    fn prepare(&mut self) -> Result<(), Failure> {
        self.made()?.prepare()
    }

    fn deliver(&mut self, batch: &Batch<'_>) -> Outcome {
        match self.made() {
            Ok(made) => made.deliver(batch),
            Err(failure) => Outcome::retry(failure),
        }
    }

    fn batching(&self) -> Batching {
        let made = self.made.as_ref();
        made.map_or_else(Batching::default, |made| made.batching())
    }

    fn sync(&mut self) -> Result<(), Failure> {
        self.made.as_mut().map_or(Ok(()), |made| made.sync())
    }

    fn holds_from(&self) -> Option<u64> {
        self.made.as_ref()?.holds_from()
    }

    fn tick(&mut self) -> Result<(), Failure> {
        self.made.as_mut().map_or(Ok(()), |made| made.tick())
    }

    fn reopen(&mut self) {
        if let Some(made) = &mut self.made {
            made.reopen();
        }
    }

    fn flush(&mut self, limit: Duration) -> Result<(), Failure> {
        self.made.as_mut().map_or(Ok(()), |made| made.flush(limit))
    }
}
