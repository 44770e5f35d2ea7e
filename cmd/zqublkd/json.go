// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"encoding/json"
	"io"
)

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// jsonList prints an array entry by entry, one a line: it may have more of them
// than memory could hold.
type jsonList struct {
	w     *bufio.Writer
	entry int
}

func newJSONList(w io.Writer) *jsonList { return &jsonList{w: bufio.NewWriter(w)} }

// add prints the next entry.
func (l *jsonList) add(v any) error {
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
func (l *jsonList) begin() {
	switch l.entry {
	case 0:
		l.w.WriteString("[\n  ")
	default:
		l.w.WriteString(",\n  ")
	}
}

// end prints the end of the array.
func (l *jsonList) end() error {
	if l.entry == 0 {
		l.w.WriteString("[")
	}
	l.w.WriteString("\n]\n")
	return l.w.Flush()
}
