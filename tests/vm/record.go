// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Record is one message of the kernel's log.
type Record struct {
	Sequence uint64
	Micros   uint64 // microseconds since power-on, by the guest's clock
	Text     string
}

func (r Record) String() string {
	return fmt.Sprintf("[%5d.%06d] %s", r.Micros/1e6, r.Micros%1e6, r.Text)
}

// parseRecord reads a line of /dev/kmsg: "priority,sequence,microseconds,flags;text"
// (Documentation/ABI/testing/dev-kmsg). Other lines, such as the key=value ones that begin with a
// space, are no record.
func parseRecord(line string) (Record, bool) {
	prefix, text, found := strings.Cut(line, ";")
	fields := strings.Split(prefix, ",")
	if !found || len(fields) < 4 || strings.HasPrefix(line, " ") {
		return Record{}, false
	}
	sequence, err := strconv.ParseUint(fields[1], 10, 64)
	if err != nil {
		return Record{}, false
	}
	micros, err := strconv.ParseUint(fields[2], 10, 64)
	if err != nil {
		return Record{}, false
	}
	return Record{sequence, micros, strings.TrimRight(text, "\n")}, true
}

// readRecords calls each for every record of r once, in order, up to the one whose text is the
// mark. The guest begins again from the first record when its reader fell behind, hence "once".
func readRecords(r io.Reader, mark string, each func(Record)) error {
	lines := bufio.NewReader(r)
	next := uint64(0)
	for {
		line, err := lines.ReadString('\n')
		record, ok := parseRecord(line)
		if ok && record.Text == mark {
			return nil
		}
		if ok && record.Sequence >= next {
			next = record.Sequence + 1
			each(record)
		}
		if err != nil {
			return io.ErrUnexpectedEOF
		}
	}
}
