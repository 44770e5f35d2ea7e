// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"bytes"
	"crypto/rand"
	"io"
)

// newMark makes the word that ends a run's streams; no command says it by accident.
func newMark() string {
	return "zqublkd-vm-end-" + rand.Text()
}

// copyToMark copies r to w as it comes, up to the mark, which it drops. It reports
// io.ErrUnexpectedEOF when r ends before the mark.
func copyToMark(w io.Writer, r io.Reader, mark string) error {
	buf := make([]byte, 0, 64<<10)
	for {
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if at := bytes.Index(buf, []byte(mark)); at >= 0 {
			_, err := w.Write(buf[:at])
			return err
		}
		hold := 0
		if err == nil {
			hold = overlap(buf, mark)
		}
		out := buf[:len(buf)-hold]
		if _, err := w.Write(out); err != nil {
			return err
		}
		buf = buf[:copy(buf, buf[len(out):])]
		if err != nil {
			return io.ErrUnexpectedEOF
		}
	}
}

// overlap is how many bytes at the end of buf may be the beginning of the mark, less than all of
// it.
func overlap(buf []byte, mark string) int {
	for n := min(len(buf), len(mark)-1); n > 0; n-- {
		if string(buf[len(buf)-n:]) == mark[:n] {
			return n
		}
	}
	return 0
}

// drainingWriter goes on taking bytes when its writer fails, so that a closed output never stops
// the guest; the first error is kept.
type drainingWriter struct {
	w   io.Writer
	err error
}

func (d *drainingWriter) Write(p []byte) (int, error) {
	if d.err == nil {
		_, d.err = d.w.Write(p)
	}
	return len(p), nil
}
