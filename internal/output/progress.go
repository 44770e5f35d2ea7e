// SPDX-License-Identifier: Apache-2.0

package output

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/charmbracelet/x/term"
	"github.com/schollz/progressbar/v3"

	"zqublkd/internal/bytesize"
)

// Every is how often long work says how far it is where there is no terminal. Tests shorten it.
var Every = 10 * time.Second

// Progress shows how far long work is: a bar on a terminal, else a line now and
// then on standard error.
type Progress struct {
	w       io.Writer
	what    string
	bar     *progressbar.ProgressBar // nil: lines
	onTerm  bool
	Quiet   bool // nothing is shown; verbs say nothing of what was done either
	every   time.Duration
	last    time.Time
	percent uint64 // that was said last
}

// NewProgress returns the progress of the work that what names, shown on w unless it is quiet.
func NewProgress(w io.Writer, what string, quiet bool) *Progress {
	p := &Progress{w: w, what: what, Quiet: quiet, every: Every, last: time.Now()}
	if f, ok := p.w.(*os.File); ok {
		p.onTerm = term.IsTerminal(f.Fd())
	}
	return p
}

// Bytes says how many bytes of how many are done.
func (p *Progress) Bytes(done, all uint64) {
	switch {
	case p.Quiet || all == 0:
	case p.onTerm:
		if p.bar == nil {
			p.bar = progressbar.NewOptions64(int64(all), progressbar.OptionSetWriter(p.w),
				progressbar.OptionSetDescription(p.what),
				progressbar.OptionShowBytes(true), progressbar.OptionUseIECUnits(true),
				progressbar.OptionThrottle(100*time.Millisecond),
				progressbar.OptionFullWidth(), progressbar.OptionClearOnFinish())
		}
		_ = p.bar.Set64(int64(min(done, all))) // a terminal that is gone stops no work
	default:
		now := time.Now()
		if now.Sub(p.last) < p.every {
			return
		}
		if n := percentOf(done, all); n > p.percent {
			p.last, p.percent = now, n
			fmt.Fprintf(p.w, "zqublkd: %s: %d%% of %s\n", p.what, n, bytesize.Format(all))
		}
	}
}

// percentOf is how much done is of all, at most 100.
func percentOf(done, all uint64) uint64 {
	return uint64(float64(min(done, all)) / float64(all) * 100)
}

// End takes the bar away, so that what follows has the line for itself.
func (p *Progress) End() {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
}
