// SPDX-License-Identifier: Apache-2.0

// Package trace is what a device can tell of its requests while they come: a
// record of each request with its outcome, and of each change of a zone that it
// caused. Whoever looks gets them from a bounded ring, which says how many it
// had no room for; nobody who looks costs a request one look at a pointer.
//
// # How it is used
//
//	t := trace.New(zones, records)      // for those who call Answered and ZoneChanged
//	err := t.Stream(w, h, visit, stop)  // writes a trace until stop is closed
//
//	r, err := trace.NewReader(file)     // r.Header()
//	for rec, err := r.Next(); err == nil; rec, err = r.Next() { ... }
//
// # The bytes of a trace
//
// See format.go and docs/trace.md. A trace has no data of requests, only where
// they were and how long.
//
// # Invariants
//
//   - Answered and ZoneChanged take no memory, no lock, and never wait: a ring
//     that is full drops the record and counts it.
//   - Turn orders what the zone rules have judged: two requests of one zone, or
//     two that compete for slots, have the turns in which that was done.
//   - A Reader returns only records that lie within the disk of its header.
package trace
