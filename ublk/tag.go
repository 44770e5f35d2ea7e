// SPDX-License-Identifier: Apache-2.0

package ublk

// tag is the queue's view of one of its requests.
type tag struct {
	phase  phase
	doomed bool   // its handling panicked: EIO as soon as nothing is in flight
	flying uint16 // completions still to come for SQEs of the handler
}

// phase says who holds a tag.
type phase uint8

const (
	atKernel phase = iota // fetched, or committed and fetched again: the driver holds it
	atServer              // a request is there and not answered
	ended                 // came back with ENODEV
)

// User data of the queue's submissions: bits 0-15 tag, 16-23 the handler's step, 24-31 kind.
const (
	kindCommand = iota // FETCH and COMMIT_AND_FETCH
	kindStep           // an SQE of the handler
	kindWake           // the READ of the eventfd
)

// userData packs kind, step and tag.
func userData(kind uint8, tag uint16, step uint8) uint64 {
	return uint64(kind)<<24 | uint64(step)<<16 | uint64(tag)
}

// unpack is the inverse of userData.
func unpack(u uint64) (kind uint8, tag uint16, step uint8) {
	return uint8(u >> 24), uint16(u), uint8(u >> 16)
}
