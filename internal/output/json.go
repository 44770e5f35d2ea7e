// SPDX-License-Identifier: Apache-2.0

package output

import (
	"bufio"
	"encoding/json"
	"io"
)

// JSON prints v with two spaces of indent.
func JSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// List prints a JSON array entry by entry, one a line: there may be more of them than memory
// could hold.
type List struct {
	w     *bufio.Writer
	entry int
}

// NewList returns a list with no entry yet, printed to w.
func NewList(w io.Writer) *List { return &List{w: bufio.NewWriter(w)} }

// Add prints the next entry.
func (l *List) Add(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	l.begin()
	_, err = l.w.Write(b) // bufio keeps the errors of the writes before
	l.entry++
	return err
}

// begin prints what comes before an entry.
func (l *List) begin() {
	switch l.entry {
	case 0:
		l.w.WriteString("[\n  ")
	default:
		l.w.WriteString(",\n  ")
	}
}

// End prints the end of the array.
func (l *List) End() error {
	if l.entry == 0 {
		l.w.WriteString("[")
	}
	l.w.WriteString("\n]\n")
	return l.w.Flush()
}

// Flush prints what has been added so far, for a list that is left without an end.
func (l *List) Flush() error { return l.w.Flush() }
