// SPDX-License-Identifier: Apache-2.0

package zoned

// Verdict is what Begin says to a request.
type Verdict uint8

// The verdicts.
const (
	Refused Verdict = iota
	Granted         // do the I/O, then End
	Done            // nothing to do: the request has succeeded
	Parked          // comes back with outcome Retry
)

// Outcome is how a request that End gives back goes on.
type Outcome uint8

// The outcomes.
const (
	Pending      Outcome = iota
	Acknowledged         // answer success
	Failed               // answer Op.Err
	Retry                // begin again
)

// Op is one request's place among the others of its zone. The caller owns it
// and must keep it in place from Begin until it is answered. The zero value is
// ready; an Op may be used again after its answer.
type Op struct {
	Owner any   // the caller's, never touched here
	At    int64 // the caller's, when it is begun: nanoseconds since 1970, coarse; 0: nobody asks

	Kind    Operation
	Zone    uint32
	Start   uint64  // bytes of the disk; for an append, where the data goes
	Length  uint64  // bytes
	Outcome Outcome // of an Op that an End gave back
	Err     error   // with Failed
	Turn    uint64  // in which it was judged, if turns are counted

	all  bool   // reset of every sequential zone
	next *Op    // in the zone's list, or in the list an End returns
	upto uint32 // reset all: zones below are owned
	// aborted: a write below has failed; landed: its own I/O has succeeded.
	// ended: a reset or finish has given a zone back.
	aborted, landed, ended bool
}

// Next is the following Op of the list that an End returned. Read it before
// the Op is begun again or answered.
func (o *Op) Next() *Op { return o.next }

// opList is a list of Ops as a ring: only its last one is kept, so that an
// idle zone costs one word for it.
type opList struct{ last *Op }

func (l *opList) empty() bool { return l.last == nil }

func (l *opList) first() *Op {
	if l.last == nil {
		return nil
	}
	return l.last.next
}

func (l *opList) push(o *Op) {
	if l.last == nil {
		o.next = o
	} else {
		o.next = l.last.next
		l.last.next = o
	}
	l.last = o
}

func (l *opList) pop() *Op {
	o := l.last.next
	if o == l.last {
		l.last = nil
	} else {
		l.last.next = o.next
	}
	return o
}

// answers collects the Ops that an End gives back, in order.
type answers struct{ head, tail *Op }

func (a *answers) add(o *Op, how Outcome, err error) {
	o.Outcome, o.Err, o.next = how, err, nil
	if a.tail == nil {
		a.head = o
	} else {
		a.tail.next = o
	}
	a.tail = o
}

// end adds an Op whose I/O ended with err, nil for success.
func (a *answers) end(op *Op, err error) {
	if err != nil {
		a.add(op, Failed, err)
	} else {
		a.add(op, Acknowledged, nil)
	}
}

func (a *answers) retry(l opList) {
	for !l.empty() {
		a.add(l.pop(), Retry, nil)
	}
}
