// SPDX-License-Identifier: Apache-2.0

package engine

import "fmt"

// task is a step on its way to a worker.
type task struct {
	s  *slot
	at step
}

// workers is the number of goroutines that do jobs. They wait for the disk
// most of the time, so their number bounds how much of that goes on at once.
const workers = 8

func (d *Disk) startWorkers(tags int) {
	d.tasks = make(chan task, tags+1) // one for a request of our own
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

// Working reports whether a step is being done that may take as long as the file
// under the image does, a flush most of all.
func (d *Disk) Working() bool { return d.busy.Load() > 0 }

// work does a step. A panic becomes an I/O error of the one request.
func (d *Disk) work(t task) {
	s := t.s
	d.busy.Add(1)
	defer func() {
		d.busy.Add(-1)
		if v := recover(); v != nil {
			s.err = d.panicked(v)
			d.abandon(s)
		}
	}()
	var back step
	switch t.at {
	case stepReset:
		list := d.durability.reset(&s.op)
		d.freeze()
		d.dispatch(list, nil)
		return
	case stepFinish:
		list := d.durability.finish(&s.op)
		d.freeze()
		d.dispatch(list, nil)
		return
	case stepFlush:
		s.err, back = d.flush(), stepAnswer
		s.durable = true
	default:
		back, s.err = d.move(s, t.at)
		if s.err != nil {
			back = stepEnd
		}
	}
	d.freeze()
	s.q.post(s, back)
}

// abandon ends, with its error, a request whose step has panicked.
func (d *Disk) abandon(s *slot) {
	if !s.granted {
		s.q.post(s, stepAnswer)
		return
	}
	s.granted = false
	list := s.operation.end(d.zones, &s.op, s.err)
	if s.operation.alone {
		s.q.post(s, stepAnswer)
	}
	d.dispatch(list, nil)
}

// move does the steps that move data or make room for it, and returns where the
// request goes on.
func (d *Disk) move(s *slot, at step) (step, error) {
	off := s.off + s.moved
	switch at {
	case stepResolve:
		return stepTransfer, d.img.Resolve(off, s.left())
	case stepEnsure:
		return stepTransfer, d.ensure(off, s.left())
	case stepReserve:
		return stepStart, d.reserveAhead(s.op.Zone, off, s.desc.Bytes())
	case stepRemember:
		return stepStart, d.remember(off, s.desc.Bytes())
	case stepRest:
		return stepEnd, s.operation.data.rest(d, s, off)
	case stepDiscard:
		return stepEnd, d.remembered(s, d.img.Discard)
	case stepZero:
		return stepEnd, d.remembered(s, d.img.MakeZero)
	}
	return stepEnd, fmt.Errorf("step %d: none of a worker", at)
}

// remembered changes the range of a request, once what it was is kept: piece by piece
// if it has to be, as the range may be larger than the cache.
func (d *Disk) remembered(s *slot, change func(off, n uint64) error) error {
	off, left := s.desc.Offset(), s.desc.Bytes()
	for left > 0 {
		n := left
		if d.volatile != nil {
			n = min(n, formerPiece-off%formerPiece)
		}
		if err := d.remember(off, n); err != nil {
			return err
		}
		if err := change(off, n); err != nil {
			return err
		}
		off, left = off+n, left-n
	}
	return nil
}

// readRest reads all that is left, from byte off of the disk on, whatever its
// clusters are.
func (d *Disk) readRest(s *slot, off uint64) error {
	err := d.img.ReadAt(s.buf[s.moved:s.limit], off)
	clear(s.buf[s.limit:])
	return err
}

// writeRest is readRest for data that goes to the image.
func (d *Disk) writeRest(s *slot, off uint64) error { return d.img.WriteAt(s.buf[s.moved:], off) }
