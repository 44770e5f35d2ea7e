// SPDX-License-Identifier: Apache-2.0

package replay

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"

	"zqublkd/internal/trace"
	"zqublkd/zoned"
)

// ErrTrace is a trace that can't be replayed.
var ErrTrace = errors.New("can't be replayed")

// Trace is what of a trace a replay needs.
type Trace struct {
	Header   trace.Header
	Requests []trace.Record // by their turns
	Notes    []string

	first map[uint32]trace.Record // how zones stood, before the requests
	last  map[uint32]trace.Record // and after them
}

// Load reads a trace. One that has lost events is an error, one that is cut short
// is taken as far as it goes.
func Load(in io.Reader) (*Trace, error) {
	r, err := trace.NewReader(in)
	if err != nil {
		return nil, err
	}
	t := &Trace{Header: r.Header(), first: map[uint32]trace.Record{}, last: map[uint32]trace.Record{}}
	if !t.Header.Zoned {
		return nil, fmt.Errorf("the trace of a device without zones %w", ErrTrace)
	}
	for {
		rec, err := r.Next()
		switch {
		case err == io.EOF:
			return t, t.order()
		case errors.Is(err, trace.ErrCut):
			t.Notes = append(t.Notes, err.Error())
			return t, t.order()
		case err != nil:
			return nil, err
		}
		t.add(rec)
		if rec.Kind == trace.Dropped {
			return nil, fmt.Errorf("the trace lacks events, the ring had no room for them, and %w: trace again with a larger --ring",
				ErrTrace)
		}
	}
}

func (t *Trace) add(r trace.Record) {
	switch r.Kind {
	case trace.Request:
		t.Requests = append(t.Requests, r)
	case trace.Initial:
		t.first[r.Zone] = r
		fallthrough
	case trace.Zone:
		if r.Turn >= t.last[r.Zone].Turn {
			t.last[r.Zone] = r
		}
	}
}

// order puts the requests into the order in which they were judged, and leaves out
// those that the first states of the zones have in them already.
func (t *Trace) order() error {
	slices.SortStableFunc(t.Requests, func(a, b trace.Record) int { return cmp.Compare(a.Turn, b.Turn) })
	n := len(t.Requests)
	t.Requests = slices.DeleteFunc(t.Requests, func(r trace.Record) bool {
		return r.Turn == 0 || r.Turn < t.first[r.Zone].Turn
	})
	if n -= len(t.Requests); n > 0 {
		t.Notes = append(t.Notes, fmt.Sprintf("%d requests were under way when the trace began: left out", n))
	}
	for i := range t.Header.Geometry.Zones() {
		if _, ok := t.first[i]; !ok {
			return fmt.Errorf("the trace does not say how zone %d stood at its beginning, and %w", i, ErrTrace)
		}
	}
	return nil
}

// differs says how a zone differs from what the trace has of it; "": not at all.
// Where no write pointer counts none is compared.
func differs(want trace.Record, got zoned.Info) string {
	w, g := want.Cond.String(), got.Condition.String()
	if want.Cond.Active() && got.Condition.Active() && want.Place != got.WP {
		w += fmt.Sprintf(", write pointer %d", want.Place)
		g += fmt.Sprintf(", write pointer %d", got.WP)
	}
	if w == g {
		return ""
	}
	return fmt.Sprintf("zone %d: %s in the trace, %s on the device", want.Zone, w, g)
}
