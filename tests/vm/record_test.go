// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReadRecords(t *testing.T) {
	// As a reader that fell behind leaves it: cut, and begun again.
	log := "6,0,0,-;Linux version\n SUBSYSTEM=pci\n4,1,2500000,-;second; with semicolon\n" +
		"6,0,0,-;Linux version\n4,1,2500000,-;second; with semicolon\n4,2,2500001,c;third\n" +
		"nonsense\n4,x,1,-;no\n12,3,4000000,-;the-mark\n4,4,5000000,-;after\n"
	var got []string
	err := readRecords(strings.NewReader(log), "the-mark", func(r Record) { got = append(got, r.String()) })
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"[    0.000000] Linux version", "[    2.500000] second; with semicolon", "[    2.500001] third"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
	err = readRecords(strings.NewReader("6,0,0,-;a"), "the-mark", func(Record) {})
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatalf("a log without end: %v", err)
	}
}

func FuzzParseRecord(f *testing.F) {
	f.Add("6,0,0,-;Linux version\n")
	f.Add(" SUBSYSTEM=pci\n")
	f.Add("6,18446744073709551616,0,-;too large")
	f.Fuzz(func(t *testing.T, line string) {
		if r, ok := parseRecord(line); ok && !strings.Contains(line, r.Text) {
			t.Fatalf("%q is not from %q", r.Text, line)
		}
	})
}
