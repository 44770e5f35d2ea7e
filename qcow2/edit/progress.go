// SPDX-License-Identifier: Apache-2.0

package edit

// Progress is told how many bytes of L2 tables, of how many, are done. An error ends the
// work: the image is the old one then, or after a round of Compact a shorter one, and sound.
type Progress func(done, all uint64) error

// work is how far a change is: first the image is checked, then its new map is made.
type work struct {
	tell   Progress // nil: nobody asks
	tables uint64   // bytes of L2 tables, as the check has found them
	done   uint64
}

// checked is the progress of the check.
func (w *work) checked(done, all uint64) error {
	w.tables = all
	return w.step(done)
}

// mapped notes that one more table of the new map was looked at.
func (w *work) mapped(bytes uint64) error {
	return w.step(min(max(w.done, w.tables)+bytes, 2*w.tables))
}

// on asks whether to go on where no more is done than before.
func (w *work) on() error { return w.step(w.done) }

func (w *work) step(done uint64) error {
	w.done = done
	if w.tell == nil {
		return nil
	}
	return w.tell(done, 2*w.tables)
}

// of is the progress of one round of several.
func (p Progress) of(round, rounds uint64) Progress {
	if p == nil {
		return nil
	}
	return func(done, all uint64) error { return p(round*all+done, rounds*all) }
}
