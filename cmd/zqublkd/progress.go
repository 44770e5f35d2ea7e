// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/charmbracelet/x/term"
	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
)

// lineEvery is how often long work says how far it is where there is no terminal.
var lineEvery = 10 * time.Second

// progress shows how far long work is: a bar on a terminal, else a line now and
// then on standard error.
type progress struct {
	w       io.Writer
	what    string
	bar     *progressbar.ProgressBar // nil: lines
	onTerm  bool
	quiet   bool
	every   time.Duration
	last    time.Time
	percent uint64 // that was said last
}

// addQuiet adds the flag of verbs that may take long.
func addQuiet(c *cobra.Command) *bool {
	return c.Flags().BoolP("quiet", "q", false, "print no progress, and nothing of what was done")
}

func newProgress(c *cobra.Command, what string, quiet bool) *progress {
	p := &progress{w: c.ErrOrStderr(), what: what, quiet: quiet, every: lineEvery, last: time.Now()}
	if f, ok := p.w.(*os.File); ok {
		p.onTerm = term.IsTerminal(f.Fd())
	}
	return p
}

// bytes says how many bytes of how many are done.
func (p *progress) bytes(done, all uint64) {
	switch {
	case p.quiet || all == 0:
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
			fmt.Fprintf(p.w, "zqublkd: %s: %d%% of %s\n", p.what, n, formatSize(all))
		}
	}
}

// percentOf is how much done is of all, at most 100.
func percentOf(done, all uint64) uint64 {
	return uint64(float64(min(done, all)) / float64(all) * 100)
}

// end takes the bar away, so that what follows has the line for itself.
func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
}
