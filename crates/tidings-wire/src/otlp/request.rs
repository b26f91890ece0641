//! The envelope of a request: one resource, one scope, and any number of items.

use super::proto::{BYTES, tag, varint};
use super::resource::Origin;

/// The longest number of variable length.
const VARINT_BYTES_MAX: usize = 10;

/// A request in the making: log records, or spans, or metrics, of one [`Origin`].
///
/// The three kinds of requests have the same envelope, so one type writes them; which kind it is is
/// what is pushed into it, and that must not be mixed.
#[derive(Clone, Debug)]
pub struct Request {
    /// Room for the envelope, then the items.
    pub(super) buffer: Vec<u8>,
    origin: Origin,
    head_bytes_max: usize,
    items: usize,
}

/// A place in a request, to which it can be taken back.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    length: usize,
    items: usize,
}

impl Request {
    /// An empty request.
    pub fn new(origin: &Origin) -> Request {
        let lengths = 2 * (1 + VARINT_BYTES_MAX);
        let head_bytes_max = lengths + origin.resource.len() + origin.scope.len();
        Request {
            buffer: vec![0; head_bytes_max],
            origin: origin.clone(),
            head_bytes_max,
            items: 0,
        }
    }

    /// The number of items.
    pub fn len(&self) -> usize {
        self.items
    }

    /// Whether there are no items.
    pub fn is_empty(&self) -> bool {
        self.items == 0
    }

    /// At most so many bytes the finished request will have; it may be 20 fewer.
    pub fn bytes_max(&self) -> usize {
        self.buffer.len()
    }

    /// The place behind the last item.
    pub fn mark(&self) -> Mark {
        Mark {
            length: self.buffer.len(),
            items: self.items,
        }
    }

    /// Takes back all items behind `mark`, which is of this request.
    pub fn take_back(&mut self, mark: Mark) {
        self.buffer.truncate(mark.length.max(self.head_bytes_max));
        self.items = mark.items.min(self.items);
    }

    /// Counts an item that was just written behind the others.
    pub(super) fn count_item(&mut self) {
        self.items += 1;
    }

    /// The bytes of the request. The request is empty afterwards.
    pub fn finish(&mut self) -> Encoded {
        let items = std::mem::take(&mut self.items);
        let next = vec![0; self.head_bytes_max];
        let mut buffer = std::mem::replace(&mut self.buffer, next);
        let item_bytes = buffer.len() - self.head_bytes_max;
        let mut inner = vec![tag(2, BYTES)];
        varint(&mut inner, (self.origin.scope.len() + item_bytes) as u64);
        inner.extend_from_slice(&self.origin.scope);
        let in_resource = self.origin.resource.len() + inner.len() + item_bytes;
        let mut head = vec![tag(1, BYTES)];
        varint(&mut head, in_resource as u64);
        head.extend_from_slice(&self.origin.resource);
        head.extend_from_slice(&inner);
        let start = self.head_bytes_max - head.len();
        buffer[start..self.head_bytes_max].copy_from_slice(&head);
        Encoded {
            buffer,
            start,
            items,
        }
    }
}

/// A finished request.
#[derive(Clone, Debug)]
pub struct Encoded {
    buffer: Vec<u8>,
    start: usize,
    items: usize,
}

impl Encoded {
    /// The bytes of the protobuf message.
    pub fn as_bytes(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// How many log records, spans or metrics it has.
    pub fn items(&self) -> usize {
        self.items
    }

    /// The buffer, and where in it the message begins: it goes up to the end.
    pub fn into_buffer(self) -> (Vec<u8>, usize) {
        (self.buffer, self.start)
    }
}
