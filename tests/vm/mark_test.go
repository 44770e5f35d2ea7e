// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestCopyToMark(t *testing.T) {
	const mark = "end-of-it"
	cases := []struct {
		name, in, want string
		err            error
	}{
		{"nothing", mark, "", nil},
		{"output", "hello\n" + mark, "hello\n", nil},
		{"beginnings of the mark", "e end- end-of-i" + mark + "e", "e end- end-of-i", nil},
		{"overlapping beginning", "end-oend-of-i" + mark, "end-oend-of-i", nil},
		{"no mark", "hello end-", "hello end-", io.ErrUnexpectedEOF},
		{"longer than a buffer", strings.Repeat("end-of", 50_000) + mark, strings.Repeat("end-of", 50_000), nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			for name, r := range map[string]io.Reader{
				"whole": strings.NewReader(c.in), "bytes": iotest.OneByteReader(strings.NewReader(c.in)),
				"data with error": iotest.DataErrReader(strings.NewReader(c.in)),
			} {
				var out bytes.Buffer
				if err := copyToMark(&out, r, mark); !errors.Is(err, c.err) {
					t.Errorf("%s: error %v, want %v", name, err, c.err)
				}
				if out.String() != c.want {
					t.Errorf("%s: %q, want %q", name, out.String(), c.want)
				}
			}
		})
	}
}

func FuzzCopyToMark(f *testing.F) {
	f.Add([]byte("hello"), "mark")
	f.Add([]byte("mamamarmar"), "mark")
	f.Fuzz(func(t *testing.T, data []byte, mark string) {
		if mark == "" || bytes.Contains(data, []byte(mark)) {
			return
		}
		// The mark may begin within data: it must be found at its first place.
		all := append(bytes.Clone(data), mark...)
		want := all[:bytes.Index(all, []byte(mark))]
		var out bytes.Buffer
		if err := copyToMark(&out, iotest.HalfReader(bytes.NewReader(all)), mark); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(out.Bytes(), want) {
			t.Fatalf("%q, want %q", out.Bytes(), want)
		}
	})
}
