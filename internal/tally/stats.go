// SPDX-License-Identifier: Apache-2.0

package tally

import "time"

// Stats is how a device stands and what it has done.
type Stats struct {
	Time    time.Time `json:"time"`
	Began   time.Time `json:"began"`   // its daemon, and the counters
	Metered bool      `json:"metered"` // latencies and zones are being counted

	Ops        []Op              `json:"ops"`        // those that have been asked for
	Errors     map[string]uint64 `json:"errors"`     // failed requests by the rule they broke; Other: no rule
	Recoveries uint64            `json:"recoveries"` // daemons of this device that came after one that died

	Queues []Queue `json:"queues"`
	Jobs   int     `json:"jobs"` // being done by workers: what may block
	Cache  Cache   `json:"cache"`
	Image  Image   `json:"image"`

	Zones      uint32            `json:"zones"`      // 0: a plain image
	Conditions map[string]uint32 `json:"conditions"` // zones in each
	Limits     Limits            `json:"limits"`
	Open       int               `json:"open"`
	Active     int               `json:"active"`
	Holders    []SlotHolder      `json:"holders,omitempty"` // of slots; at most MaxHolders

	Detail *Detail `json:"detail,omitempty"`
}

// Other is the name in Stats.Errors of what no zone rule has refused.
const Other = "other"

// MaxHolders bounds Stats.Holders: those written longest ago come first.
const MaxHolders = 64

// Op is what has become of the requests for one operation.
type Op struct {
	Op      string     `json:"op"`
	OK      uint64     `json:"ok"`
	Failed  uint64     `json:"failed"`
	Bytes   uint64     `json:"bytes"`             // of those that succeeded
	Latency *Histogram `json:"latency,omitempty"` // while somebody wanted to know
}

// Queue is how a hardware queue stands.
type Queue struct {
	ID       int      `json:"id"`
	Depth    int      `json:"depth"`
	InFlight int      `json:"in_flight"`
	Waiting  int      `json:"waiting"`         // of them, for another request in their zone
	For      []uint32 `json:"waiting_for"`     // zones, some
	Late     int      `json:"late"`            // held up by a fault that was asked for
	Stuck    bool     `json:"stuck,omitempty"` // it gave no answer; the counters are of when it did
}

// Cache is that of the image's L2 tables.
type Cache struct {
	Lookups uint64 `json:"lookups"`
	Misses  uint64 `json:"misses"`
}

// Image is the space of an image in bytes.
type Image struct {
	Virtual   uint64 `json:"virtual_size"`
	File      uint64 `json:"file_size"`
	Allocated uint64 `json:"allocated"` // by the file system it is on
}

// Limits of a zoned device; 0: none.
type Limits struct {
	Open   uint32 `json:"max_open"`
	Active uint32 `json:"max_active"`
}

// SlotHolder is a zone that has an open or an active slot.
type SlotHolder struct {
	Zone      uint32    `json:"zone"`
	Condition string    `json:"condition"`
	Since     time.Time `json:"since,omitzero"`   // zero: longer than the daemon lives
	Written   time.Time `json:"written,omitzero"` // last; zero: not meanwhile
}

// Detail is what there is of each zone.
type Detail struct {
	ZoneSize   uint64   `json:"zone_size"`
	Conditions []byte   `json:"conditions"` // the kernel's codes
	Written    []uint64 `json:"written"`    // bytes below the write pointer
	Moved      []uint64 `json:"moved"`      // bytes read and written, while somebody wanted to know
}
