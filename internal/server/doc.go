// Package server serves one image as one block device. It is the only place
// where a request of the driver (package ublk), the rules (package zoned), the
// place in the image (package qcow2) and the file under it (internal/storage)
// meet.
//
// # The way of a request
//
// A queue's thread begins the request with the rules, looks up where it lies,
// queues the file I/O on its own ring and answers when that has ended. What
// may block (taking space, loading tables, flush, reset, finish, odd clusters)
// goes to a worker and comes back to the queue it came from (queue.post).
// Requests that the rules hold back are parked in their zone and come back
// from the request that was in their way (queue.dispatch).
//
// # Invariants
//
//   - Every request gets exactly one answer: all of its bytes or an errno.
//   - A write is answered after its data is in the file (its page cache or the
//     disk) and the state file knows the new write pointer.
//   - A zone-table slot is written only under table.mu, with the value the
//     write pointer had before the fdatasync that precedes the write.
//   - FLUSH, FUA, RESET and FINISH are answered when durable.
//   - A slot (the state of one tag) is touched by its queue's thread, or by the
//     one worker it was handed to, never by both.
//   - Nothing on a queue's thread waits for a lock that is held across I/O.
//
// # Lock order
//
// table.mu, then the locks of zoned; flusher.mu is held alone.
package server
