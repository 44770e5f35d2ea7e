// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Printer prints records one a line, as text or as JSON.
type Printer struct {
	W     io.Writer
	JSON  bool
	Begun int64 // of the trace: text has times from there
}

// line is a record in JSON. What a kind of record does not have is left out.
type line struct {
	Event     string   `json:"event"`
	Time      string   `json:"time"`
	Turn      uint64   `json:"turn,omitempty"`
	Op        string   `json:"op,omitempty"`
	Zone      *uint32  `json:"zone,omitempty"`
	Start     *uint64  `json:"start,omitempty"`
	Length    *uint64  `json:"length,omitempty"`
	Place     *uint64  `json:"place,omitempty"`
	FUA       bool     `json:"fua,omitempty"`
	Queue     *uint16  `json:"queue,omitempty"`
	Error     string   `json:"error,omitempty"`
	Latency   *float64 `json:"latency_us,omitempty"`
	WP        *uint64  `json:"wp,omitempty"`
	Condition string   `json:"condition,omitempty"`
	Count     *uint32  `json:"count,omitempty"`
	Lost      *lost    `json:"lost,omitempty"`
}

// lost is Lost in JSON, by the names of the events.
type lost struct {
	Requests uint64 `json:"request"`
	Zones    uint64 `json:"write-pointer-moved"`
	Implicit uint64 `json:"implicitly-open-zones"`
}

var kindNames = map[Kind]string{Request: "request", Zone: "write-pointer-moved", Implicit: "implicitly-open-zones",
	Initial: "initial", Dropped: "dropped", End: "end"}

// Print prints a record.
func (p *Printer) Print(r Record) error {
	if p.JSON {
		return json.NewEncoder(p.W).Encode(lineOf(&r))
	}
	at := time.Duration(r.Time - p.Begun).Seconds()
	_, err := fmt.Fprintf(p.W, "%12.6f  %s\n", at, words(&r))
	return err
}

func lineOf(r *Record) line {
	l := line{Event: kindNames[r.Kind], Time: time.Unix(0, r.Time).UTC().Format(time.RFC3339Nano), Turn: r.Turn}
	switch r.Kind {
	case Dropped, End:
		l.Count = &r.Count
		if r.Lost.all() > 0 {
			l.Lost = (*lost)(&r.Lost)
		}
	case Implicit:
		l.Zone, l.Count = &r.Zone, &r.Count
	case Zone, Initial:
		l.Zone, l.WP, l.Condition = &r.Zone, &r.Place, r.Cond.String()
	case Request:
		latency := float64(r.Latency) / 1e3
		l.Op, l.Zone, l.Start, l.Length, l.FUA, l.Queue, l.Latency = r.Op.String(), &r.Zone, &r.Start, &r.Length, r.FUA,
			&r.Queue, &latency
		l.Error = errnoName(r.Errno)
		if r.Op == Append && r.Errno == 0 {
			l.Place = &r.Place
		}
	}
	return l
}

func words(r *Record) string {
	switch r.Kind {
	case Dropped:
		return fmt.Sprintf("%d events dropped: the ring was full%s", r.Count, r.Lost.words())
	case End:
		return fmt.Sprintf("end, %d events dropped%s", r.Count, r.Lost.words())
	case Implicit:
		return fmt.Sprintf("implicitly open zones now %d (zone %d)", r.Count, r.Zone)
	case Initial:
		return fmt.Sprintf("zone %d is %s, write pointer %d", r.Zone, r.Cond, r.Place)
	case Zone:
		return fmt.Sprintf("zone %d now %s, write pointer %d", r.Zone, r.Cond, r.Place)
	}
	return requestWords(r)
}

// words says what was dropped, where that is known.
func (l Lost) words() string {
	if l.all() == 0 {
		return ""
	}
	return fmt.Sprintf(" (requests: %d, changes of zones: %d, of the number of open ones: %d)",
		l.Requests, l.Zones, l.Implicit)
}

func requestWords(r *Record) string {
	s := r.Describe()
	if r.Errno != 0 {
		s += ": " + errnoName(r.Errno)
	}
	return s + ", " + time.Duration(r.Latency).Round(100*time.Nanosecond).String()
}

// Describe says what a request has asked for.
func (r *Record) Describe() string {
	var b strings.Builder
	b.WriteString(r.Op.String())
	if r.FUA {
		b.WriteString(" fua")
	}
	switch {
	case r.Op == Flush || r.Op == ResetAll:
	case r.Op >= Open && r.Op <= Reset:
		fmt.Fprintf(&b, " zone %d", r.Zone)
	default:
		fmt.Fprintf(&b, " zone %d, %d bytes at %d", r.Zone, r.Length, r.Start)
	}
	if r.Op == Append && r.Errno == 0 {
		fmt.Fprintf(&b, " to %d", r.Place)
	}
	return b.String()
}

// errnoName is the name of an error, "" for none.
func errnoName(n uint16) string {
	if n == 0 {
		return ""
	}
	if name := unix.ErrnoName(unix.Errno(n)); name != "" {
		return name
	}
	return fmt.Sprintf("errno-%d", n)
}
