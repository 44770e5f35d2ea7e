// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"fmt"

	"golang.org/x/sys/unix"

	"zqublkd/internal/fault"
	"zqublkd/internal/trace"
	"zqublkd/qcow2"
	"zqublkd/ublk"
	"zqublkd/zoned"
)

// operation is what the engine knows about one operation of the driver: the row
// that a request follows from its beginning to its answer. The rest of the
// package asks the row, never the operation's number.
type operation struct {
	begin func(*Queue, *slot) // asks the rules and starts what they grant
	ask   func(z *zoned.Device, op *zoned.Op, off, n uint64) (zoned.Verdict, error)
	job   step            // for a worker, once granted: if it moves no data
	data  *direction      // nil: it moves none
	write zoned.Operation // of a write or append: what the state file calls it
	trace trace.Op        // what a trace calls it
	fault fault.Op        // what faults call it; none: they know nothing of it

	// end tells the rules that the request is over. They give back the requests
	// that waited for it and, unless alone is set, the request itself.
	end    func(*zoned.Device, *zoned.Op, error) *zoned.Op
	alone  bool
	result func(*Queue, *slot) // sends the answer to a request that succeeded

	changes  bool // is refused by a disk that takes no change
	allZones bool // concerns every sequential zone
	fua      bool // may ask that its data is durable before the answer
}

// direction is how data moves between the image and a request.
type direction struct {
	next  func(*Queue, *slot) // starts the next piece of file I/O
	copy  func(*Queue, *slot) // starts over, through a buffer of ours
	pages func(q *Queue, s *slot, fd int, n uint32, off uint64)
	rest  func(d *Disk, s *slot, at uint64) error // moves all that is left, on a worker
	may   func(qcow2.ExtentKind) bool             // can a run of this kind be reached directly?
}

var (
	fromImage = direction{
		next: (*Queue).read, copy: (*Queue).readCopy, pages: (*Queue).readPages, rest: (*Disk).readRest, may: readable,
	}
	toImage = direction{
		next: (*Queue).write, copy: (*Queue).writeCopy, pages: (*Queue).writePages, rest: (*Disk).writeRest,
		may: writable,
	}
)

func readable(k qcow2.ExtentKind) bool { return k == qcow2.Data || k == qcow2.Shared }
func writable(k qcow2.ExtentKind) bool { return k == qcow2.Data }

// operations has a row for each operation of the driver; those of other numbers
// are without a beginning.
var operations [ublk.OpReportZones + 1]operation

// unknownOperation is the row of what the driver should not have sent.
var unknownOperation = operation{begin: (*Queue).refuseUnknown, changes: true}

// placedAppend is the row of an append that a dead daemon had placed. Its data is
// written to that place again; to the rules it is a read of it (Queue.holdZone).
var placedAppend operation

// The rows name functions that name rows, so that the compiler wants them filled in
// here.
func init() {
	endWrite, none := (*zoned.Device).EndWrite, (*Queue).resultNone
	operations = [...]operation{
		ublk.OpRead: {trace: trace.Read, fault: fault.Read, begin: (*Queue).beginRead, data: &fromImage,
			end: endRead, alone: true, result: (*Queue).resultRead},
		ublk.OpWrite: {trace: trace.Write,
			fault: fault.Write, begin: (*Queue).beginWrite, ask: (*zoned.Device).BeginWrite, data: &toImage,
			write: zoned.OpWrite,
			end:   endWrite, result: (*Queue).resultBytes, changes: true, fua: true},
		ublk.OpZoneAppend: {trace: trace.Append,
			fault: fault.Append, begin: (*Queue).beginWrite, ask: (*zoned.Device).BeginAppend,
			data:  &toImage,
			write: zoned.OpAppend, end: endWrite, result: (*Queue).resultAppend, changes: true, fua: true},

		ublk.OpFlush:       {trace: trace.Flush, fault: fault.Flush, begin: (*Queue).beginFlush, result: none},
		ublk.OpReportZones: {trace: trace.Report, fault: fault.Report, begin: (*Queue).report},

		ublk.OpDiscard: {trace: trace.Discard,
			begin: (*Queue).beginJob, ask: (*zoned.Device).BeginWrite, job: stepDiscard,
			end: endWrite, result: none, changes: true},
		ublk.OpWriteZeroes: {trace: trace.WriteZeroes,
			begin: (*Queue).beginJob, ask: (*zoned.Device).BeginWrite, job: stepZero,
			end: endWrite, result: none, changes: true, fua: true},

		ublk.OpZoneOpen: {trace: trace.Open, fault: fault.Open, begin: (*Queue).beginAtOnce, ask: askOpen,
			result: none, changes: true},
		ublk.OpZoneClose: {trace: trace.Close, fault: fault.Close, begin: (*Queue).beginAtOnce, ask: askClose,
			result: none, changes: true},
		ublk.OpZoneFinish: {trace: trace.Finish,
			fault: fault.Finish, begin: (*Queue).beginJob, ask: askFinish, job: stepFinish,
			end: (*zoned.Device).EndFinish, result: none, changes: true},
		ublk.OpZoneReset: {trace: trace.Reset,
			fault: fault.Reset, begin: (*Queue).beginJob, ask: askReset, job: stepReset,
			end: (*zoned.Device).EndReset, result: none, changes: true},
		ublk.OpZoneResetAll: {trace: trace.ResetAll,
			fault: fault.Reset, begin: (*Queue).beginJob, ask: askResetAll, job: stepReset,
			end: (*zoned.Device).EndReset, result: none, changes: true, allZones: true},
	}
	placedAppend = operations[ublk.OpZoneAppend]
	placedAppend.end, placedAppend.alone = endRead, true
}

// operationOf returns the row of op.
func operationOf(op ublk.Op) *operation {
	if int(op) < len(operations) && operations[op].begin != nil {
		return &operations[op]
	}
	return &unknownOperation
}

func (q *Queue) refuseUnknown(s *slot) {
	q.refuse(s, fmt.Errorf("%s: %w", s.desc.Op(), unix.EOPNOTSUPP))
}

// The questions about one zone, or all, as questions about a range: n does not
// matter.

func askOpen(z *zoned.Device, op *zoned.Op, off, _ uint64) (zoned.Verdict, error) {
	return z.BeginOpen(op, off)
}

func askClose(z *zoned.Device, op *zoned.Op, off, _ uint64) (zoned.Verdict, error) {
	return z.BeginClose(op, off)
}

func askFinish(z *zoned.Device, op *zoned.Op, off, _ uint64) (zoned.Verdict, error) {
	return z.BeginFinish(op, off)
}

func askReset(z *zoned.Device, op *zoned.Op, off, _ uint64) (zoned.Verdict, error) {
	return z.BeginReset(op, off)
}

func askResetAll(z *zoned.Device, op *zoned.Op, _, _ uint64) (zoned.Verdict, error) {
	return z.BeginResetAll(op)
}

// endRead leaves the error to the answer: reads fail each for itself.
func endRead(z *zoned.Device, op *zoned.Op, _ error) *zoned.Op { return z.EndRead(op) }
