// SPDX-License-Identifier: Apache-2.0

// Package engine is the way of a request. A [Disk] is an opened image with its
// rules; a [Queue] brings the requests of one queue of the driver (package ublk)
// to the rules (package zoned), to their place in the image (package qcow2) and
// into the file under it (internal/storage), and answers them. It is the only
// place where these four meet. The daemon around it is package server.
//
// # How it is used
//
//	d, err := engine.OpenDisk(path, engine.DiskOptions{Direct: true, Log: log})
//	err = d.Start(queues*depth, state)             // state: see package statefile, may be nil
//	q, err := engine.NewQueue(d, id, depth, maxIO) // on the thread that serves it
//	err = device.Serve(id, q.Options(cpus), q, func(ring *ublk.Queue) { q.Attach(ring) })
//
// # The way of a request
//
// A queue's thread begins the request with the rules (begin.go), looks up where it
// lies, queues the file I/O on its own ring (transfer.go, zerocopy.go) and answers
// when that has ended (answer.go). What may block (taking space, loading tables,
// flush, reset, finish, odd clusters) goes to a worker (worker.go) and comes back
// to the queue it came from (queue.post). Requests that the rules hold back are
// parked in their zone and come back from the request that was in their way
// (Disk.dispatch). What is durable when is in durability.go, what the kernel sends
// again after the death of a daemon in reissue.go, and which errno an error becomes
// in errno.go.
//
// # Invariants
//
//   - Every request gets exactly one answer: all of its bytes or an errno.
//   - A write is answered after its data is in the file (its page cache or the
//     disk) and the state file knows the new write pointer.
//   - A zone-table slot is written only under durability.mu, with the value the
//     write pointer had before the fdatasync that precedes the write.
//   - FLUSH, FUA, RESET and FINISH are answered when durable.
//   - A slot (the state of one tag) is touched by its queue's thread, or by the
//     one worker it was handed to, never by both.
//   - Nothing on a queue's thread waits for a lock that is held across I/O.
//   - A mapped read, a mapped write and an append take no memory, no lock that all
//     zones share and no other goroutine.
//
// # Lock order
//
// durability.mu, then the locks of zoned. Those of a group commit are held alone.
package engine
