// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"zqublkd/zoned"
)

// ErrFormat is what can't be read as a trace, and ErrCut a trace without an end.
var (
	ErrFormat = errors.New("not a trace that this program can read")
	ErrCut    = errors.New("the trace is cut short: its end is missing")
)

// Reader reads a trace. It believes nothing: what it returns lies within the
// disk of the header.
type Reader struct {
	r      *bufio.Reader
	header Header
	buf    []byte
	n      uint64 // records read
	ended  bool
}

// NewReader reads the header of a trace.
func NewReader(r io.Reader) (*Reader, error) {
	t := &Reader{r: bufio.NewReaderSize(r, 64<<10)}
	b := make([]byte, headerBytes)
	if _, err := io.ReadFull(t.r, b); err != nil {
		return nil, fmt.Errorf("%w: it ends within the header", ErrFormat)
	}
	le := binary.LittleEndian
	long, record := le.Uint32(b[12:]), le.Uint32(b[16:])
	switch v := le.Uint32(b[8:]); {
	case string(b[:len(magic)]) != magic:
		return nil, fmt.Errorf("%w: it does not begin as one", ErrFormat)
	case v != version:
		return nil, fmt.Errorf("%w: it has version %d, this program knows version %d: use a newer one", ErrFormat, v, version)
	case long < headerBytes || long > maxBytes || record < recordBytes || record > maxBytes:
		return nil, fmt.Errorf("%w: a header of %d bytes and records of %d", ErrFormat, long, record)
	}
	if _, err := t.r.Discard(int(long - headerBytes)); err != nil {
		return nil, fmt.Errorf("%w: it ends within the header", ErrFormat)
	}
	t.header, t.buf = decodeHeader(b), make([]byte, record)
	if err := t.header.Geometry.Validate(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return t, nil
}

// Header says what was traced.
func (t *Reader) Header() Header { return t.header }

// Buffered is how many bytes of the trace have been taken from its source and not
// been returned.
func (t *Reader) Buffered() int { return t.r.Buffered() }

// Next returns the next record of a kind that is known, io.EOF after the end of
// the trace, ErrCut where the file ends before it.
func (t *Reader) Next() (Record, error) {
	for {
		if t.ended {
			return Record{}, io.EOF
		}
		switch _, err := io.ReadFull(t.r, t.buf); {
		case err == io.EOF, errors.Is(err, io.ErrUnexpectedEOF):
			return Record{}, ErrCut
		case err != nil:
			return Record{}, err
		}
		t.n++
		r := decodeRecord(t.buf)
		if r.Kind < Request || r.Kind > End {
			continue
		}
		t.ended = r.Kind == End
		if err := t.judge(&r); err != nil {
			return r, fmt.Errorf("%w: record %d: %w", ErrFormat, t.n, err)
		}
		return r, nil
	}
}

const (
	maxErrno   = 4095     // of the kernel
	MaxRequest = 64 << 20 // bytes of data: no driver has larger ones
)

func (t *Reader) judge(r *Record) error {
	g := t.header.Geometry
	switch {
	case r.Kind == Dropped || r.Kind == End:
		return nil
	case r.Zone >= g.Zones():
		return fmt.Errorf("zone %d of a disk of %d", r.Zone, g.Zones())
	case r.Kind == Request:
		return t.judgeRequest(r)
	case !slices.Contains(zoned.Conditions, r.Cond):
		return fmt.Errorf("%s", r.Cond)
	case r.Place < g.Start(r.Zone) || r.Place > g.Start(r.Zone)+g.ZoneSize:
		return fmt.Errorf("write pointer %d outside zone %d", r.Place, r.Zone)
	}
	return nil
}

// judgeRequest: what was refused may have been about anything, what has succeeded
// lay on the disk.
func (t *Reader) judgeRequest(r *Record) error {
	size := t.header.Geometry.Size
	switch {
	case r.Op >= numOps:
		return fmt.Errorf("%s", r.Op)
	case r.Errno > maxErrno:
		return fmt.Errorf("errno %d", r.Errno)
	case r.Op >= Read && r.Op <= Append && r.Length > MaxRequest:
		return fmt.Errorf("a %s of %d bytes", r.Op, r.Length)
	case r.Errno != 0 || r.Op == ResetAll || r.Op == Flush:
		return nil
	case r.Start >= size || r.Length > size-r.Start:
		return fmt.Errorf("%d bytes at %d of a disk of %d", r.Length, r.Start, size)
	case r.Op == Append && (r.Place >= size || r.Length > size-r.Place):
		return fmt.Errorf("an append of %d bytes at %d of a disk of %d", r.Length, r.Place, size)
	}
	return nil
}
