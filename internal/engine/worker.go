package engine

import (
	"fmt"

	"zqublkd/ublk"
	"zqublkd/zoned"
)

// job is what a worker does for a slot: all that may block.
type job uint8

const (
	jobResolve job = iota // load the tables of its range
	jobEnsure             // take space for its range
	jobReserve            // the same, and host space for what the zone gets next
	jobRead               // read all of it, whatever the clusters are
	jobRest               // read or write all that is left of it
	jobZero               // make its range zeros
	jobFlush
	jobReset
	jobFinish
)

// task is one job on its way to a worker.
type task struct {
	s *slot
	j job
}

// workers is the number of goroutines that do jobs. They wait for the disk
// most of the time, so their number bounds how much of that goes on at once.
const workers = 8

// hand gives s to a worker. The channel has room for every tag, so this never
// waits.
func (q *Queue) hand(s *slot, j job) { q.disk.tasks <- task{s, j} }

func (d *Disk) startWorkers(tags int) {
	d.tasks = make(chan task, tags)
	for range workers {
		d.working.Add(1)
		go func() {
			defer d.working.Done()
			for t := range d.tasks {
				d.work(t)
			}
		}()
	}
}

// work does a job. A panic becomes an I/O error of the one request.
func (d *Disk) work(t task) {
	defer func() {
		if v := recover(); v != nil {
			t.s.err = d.panicked(v)
			d.back(t.s)
		}
	}()
	s := t.s
	switch t.j {
	case jobReset:
		list := d.durability.reset(&s.op)
		d.freeze()
		d.dispatch(list, nil)
		return
	case jobFinish:
		list := d.durability.finish(&s.op)
		d.freeze()
		d.dispatch(list, nil)
		return
	case jobFlush:
		s.err = d.flush()
		d.freeze()
		s.durable = true
		s.q.post(s, thenAnswer)
		return
	}
	then := thenEnd
	s.err = d.transferBlocking(s, t.j, &then)
	d.freeze()
	if s.err != nil {
		then = thenEnd
	}
	s.q.post(s, then)
}

// back returns a slot whose job has panicked.
func (d *Disk) back(s *slot) {
	if s.granted {
		s.granted = false
		d.dispatch(d.abandon(s), nil)
		return
	}
	s.q.post(s, thenAnswer)
}

// abandon ends, with its error, a request that the rules granted.
func (d *Disk) abandon(s *slot) *zoned.Op {
	switch op := s.desc.Op(); {
	case op == ublk.OpRead || s.repeated:
		list := d.zones.EndRead(&s.op)
		s.q.post(s, thenAnswer)
		return list
	case op == ublk.OpZoneReset || op == ublk.OpZoneResetAll:
		return d.zones.EndReset(&s.op, s.err)
	case op == ublk.OpZoneFinish:
		return d.zones.EndFinish(&s.op, s.err)
	}
	return d.zones.EndWrite(&s.op, s.err)
}

// transferBlocking does the jobs that move data or make room for it.
func (d *Disk) transferBlocking(s *slot, j job, then *step) error {
	at := s.off + s.moved
	switch j {
	case jobResolve:
		*then = thenMap
		return d.img.Resolve(at, s.left())
	case jobEnsure:
		*then = thenMap
		return d.ensure(at, s.left())
	case jobReserve:
		*then = thenMove
		return d.reserveAhead(s.op.Zone, at, s.desc.Bytes())
	case jobRead:
		err := d.img.ReadAt(s.buf[s.moved:s.limit], at)
		clear(s.buf[s.limit:])
		return err
	case jobRest:
		return d.rest(s, at)
	case jobZero:
		if s.desc.Op() == ublk.OpDiscard {
			return d.img.Discard(s.desc.Offset(), s.desc.Bytes())
		}
		return d.img.MakeZero(s.desc.Offset(), s.desc.Bytes())
	}
	return fmt.Errorf("job %d: not known", j)
}

// rest moves all that is left of a transfer, the way of all data of the image.
func (d *Disk) rest(s *slot, at uint64) error {
	if s.desc.Op() == ublk.OpRead {
		err := d.img.ReadAt(s.buf[s.moved:s.limit], at)
		clear(s.buf[s.limit:])
		return err
	}
	return d.img.WriteAt(s.buf[s.moved:], at)
}
