// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"bufio"
	"bytes"
	"fmt"
	"strings"
	"testing"

	"zqublkd/qcow2/qcow2test"
	"zqublkd/ublk"
)

// event is a line of a recorded stream (tests/streams): the issue of a request,
// or the end of one.
type event struct {
	op             byte // 'e': the end of a request
	sector, length uint64
	fua            bool
	number         int // of the request that ends
}

func parseEvent(line string) (e event, err error) {
	if rest, ok := strings.CutPrefix(line, "e "); ok {
		e.op = 'e'
		_, err = fmt.Sscan(rest, &e.number)
		return e, err
	}
	line, e.fua = strings.CutSuffix(line, " f")
	_, err = fmt.Sscanf(line, "%c %d %d", &e.op, &e.sector, &e.length)
	return e, err
}

func readStream(t *testing.T, name string) []event {
	var events []event
	for lines := bufio.NewScanner(bytes.NewReader(qcow2test.Unzipped(t, "testdata/"+name+".stream.gz"))); lines.Scan(); {
		e, err := parseEvent(lines.Text())
		if err != nil {
			t.Fatalf("%s, line %d, %q: %v", name, len(events)+1, lines.Text(), err)
		}
		events = append(events, e)
	}
	return events
}

// replay sends the requests of a recorded stream, as many at a time as were
// under way then. Reads are left out: they change nothing.
func replay(name string) func(r *crashRun) {
	return func(r *crashRun) {
		var under []chan struct{}
		for _, e := range readStream(r.t, name) {
			if e.op == 'e' {
				<-under[e.number]
				continue
			}
			ended := make(chan struct{})
			under = append(under, ended)
			go func() {
				defer close(ended)
				r.send(e)
			}()
		}
		for _, ended := range under {
			<-ended
		}
	}
}

// send does what an event says and waits for the answer.
func (r *crashRun) send(e event) {
	off, n := e.sector*512, e.length*512
	zone := r.geo.ZoneOf(off)
	var flags ublk.OpFlags
	if e.fua {
		flags = ublk.FlagFUA
	}
	switch e.op {
	case 'r':
	case 'w':
		r.put(off, n, flags)
	case 'a':
		r.append(zone, n)
	case 'F':
		r.flush()
	case 'R':
		r.reset(zone)
	case 'A':
		r.resetAll()
	case 'N':
		r.finish(zone)
	case 'O':
		must(r.t, "open", r.s.zone(ublk.OpZoneOpen, off))
	case 'C':
		must(r.t, "close", r.s.zone(ublk.OpZoneClose, off))
	default:
		r.t.Errorf("operation %c of a stream is not known", e.op)
	}
}
