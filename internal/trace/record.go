// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"fmt"
	"math"
	"time"

	"zqublkd/zoned"
)

// Kind says what a record is about.
type Kind uint8

// The kinds of records. Their numbers are those of the format.
const (
	Request  Kind = iota + 1 // a request was answered
	Zone                     // a zone's write pointer or condition has changed
	Implicit                 // the number of implicitly open zones has changed
	Initial                  // how a zone stood when the trace began
	Dropped                  // the ring had no room for Count records
	End                      // of the trace: Count records were dropped in all
)

// Op is what a request asks for.
type Op uint8

// The operations. Their numbers are those of the format.
const (
	Unknown Op = iota // what the driver should not have sent
	Read
	Write
	Append
	Flush
	Open
	Close
	Finish
	Reset
	ResetAll
	Discard
	WriteZeroes
	Report
	numOps
)

var opNames = [numOps]string{"unknown", "read", "write", "append", "flush", "open", "close", "finish", "reset",
	"reset-all", "discard", "write-zeroes", "report"}

func (o Op) String() string {
	if o < numOps {
		return opNames[o]
	}
	return fmt.Sprintf("operation-%d", uint8(o))
}

// Record is one event. Places and lengths are bytes of the disk.
type Record struct {
	Kind    Kind
	Op      Op              // of a request
	Errno   uint16          // of a request: how it was answered, 0 for success
	FUA     bool            // of a request
	Queue   uint16          // of a request
	Zone    uint32          // of a request: where it begins
	Turn    uint64          // in which the rules judged it; 0: before the trace began
	Time    int64           // nanoseconds since 1970; of a request: when it was answered
	Start   uint64          // of a request
	Length  uint64          // of a request
	Place   uint64          // where an append went; of a zone: its write pointer
	Latency uint64          // of a request: nanoseconds
	Cond    zoned.Condition // of a zone
	Count   uint32          // of Implicit, Dropped and End
	Lost    Lost            // of Dropped and End: what they were about
}

// Lost counts records that found no room, by their kind. Older programs did not tell.
type Lost struct{ Requests, Zones, Implicit uint64 }

func (l Lost) all() uint64 { return l.Requests + l.Zones + l.Implicit }

func (l Lost) since(was Lost) Lost {
	return Lost{l.Requests - was.Requests, l.Zones - was.Zones, l.Implicit - was.Implicit}
}

// record is what a trace says of them.
func (l Lost) record(k Kind) Record {
	return Record{Kind: k, Time: time.Now().UnixNano(), Count: uint32(min(l.all(), math.MaxUint32)), Lost: l}
}

// Header says what was traced.
type Header struct {
	Geometry     zoned.Geometry
	Limits       zoned.Limits
	LogicalBlock uint32 // bytes
	Zoned        bool
	Started      int64  // nanoseconds since 1970
	Name         string // of the device; at most 40 bytes are kept
}
