// SPDX-License-Identifier: Apache-2.0

// Package zoned holds the rules of a host-managed zoned block device: which
// operation a zone accepts in which condition, where its write pointer stands,
// and who may hold the limited open and active resources.
//
// The package is pure. It does no I/O, starts no goroutine and reads no clock:
// whoever wants to know since when zones have their slots brings one. A caller
// asks Begin* whether a request may run, does the I/O itself, and tells End* how
// it went. All sizes and offsets are bytes of the zoned disk.
//
// The table in transition.go is the whole state machine. It follows ZBC-2 /
// ZAC-2 and the NVMe Zoned Namespace Command Set where they agree, and the
// Linux block layer (include/uapi/linux/blkzoned.h) in names and codes.
//
// # Requests
//
// A request is an Op owned by the caller, usually embedded in something that
// lives as long as the tag it serves, so that nothing is allocated here. Begin
// answers one of:
//
//   - Granted: do the I/O, then call End.
//   - Done: there is no I/O to do, the request has succeeded.
//   - Parked: another request must end first. The Op comes back from that
//     request's End with outcome Retry; begin it again.
//   - Refused: the error says which rule was broken. Nothing changed.
//
// # Invariants
//
//   - Writes in flight in a sequential zone are contiguous, in list order, from
//     the acknowledged write pointer (done) to the logical one (wp).
//   - A write is acknowledged only when everything below it in its zone has
//     succeeded. A failed one fails all above it; the zone takes no new write
//     until their I/O has ended, then wp falls back to done.
//   - A zone is FULL when its data is there, not when it has been asked for.
//   - open counts the zones that are implicitly or explicitly open, active
//     those and the closed ones; neither passes its limit by an operation.
//   - Resources are taken, and another zone closed for them, only when the
//     request will succeed. Explicitly open zones are never evicted.
//   - A conventional zone never changes: nothing in it waits, and reads and
//     writes of it take no lock. A plain disk is one such zone.
//   - Reset and finish own their zone: no write and no read is in flight.
//
// # Lock order
//
// Device.order, which is free unless turns are counted, then Device.limits, then
// zone.mu, then lot.mu. Only a holder of limits may hold two
// zone locks. Taking an open or active slot needs limits; giving one back does
// not. The lot, which all zones share, is looked into only to park requests and
// to take them out. No lock is held across a call that waits.
package zoned
