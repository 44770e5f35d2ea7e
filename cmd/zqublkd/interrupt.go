// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync/atomic"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"zqublkd/internal/output"
	"zqublkd/internal/storage"
)

// interruptible makes SIGINT and SIGTERM end a verb at once: what it has begun is
// removed, and the exit code is that of an interrupt. outcome says what there is
// then.
func interruptible(c *cobra.Command, outcome string) {
	run := c.RunE
	c.RunE = func(c *cobra.Command, args []string) error {
		signals := make(chan os.Signal, 1)
		signal.Notify(signals, unix.SIGINT, unix.SIGTERM)
		defer signal.Stop(signals)
		go func() {
			<-signals
			endNow(outcome)
		}()
		return run(c, args)
	}
}

// aside is standard error for what is said while the verb goes on: it does not wait for what
// the verb just says, which may be held up.
var aside = os.NewFile(uintptr(unix.Stderr), "standard error")

func endNow(outcome string) {
	storage.AbandonDrafts()
	fmt.Fprintf(aside, "\nzqublkd: interrupted: %s\n", outcome)
	os.Exit(exitInterrupted)
}

// errStopped ends work that changes an image in place, at a moment at which it is whole.
var errStopped = errors.New("interrupted")

// stopper is for a verb that changes an image in place: SIGINT and SIGTERM ask it to stop where
// the image is whole, which it does when it next says how far it is. Another signal ends it at
// once; then the next open for writing may have something to clear up, as after kill -9.
type stopper struct{ asked atomic.Bool }

// mind makes a verb stop for signals. outcome says what there is then.
func (s *stopper) mind(c *cobra.Command, outcome string) {
	run := c.RunE
	c.RunE = func(c *cobra.Command, args []string) error {
		signals := make(chan os.Signal, 2)
		signal.Notify(signals, unix.SIGINT, unix.SIGTERM)
		defer signal.Stop(signals)
		go func() {
			<-signals
			s.asked.Store(true)
			fmt.Fprintln(aside, "\nzqublkd: interrupted: it ends where the image is whole; once more ends it at once")
			<-signals
			endNow(outcome)
		}()
		err := run(c, args)
		if errors.Is(err, errStopped) {
			err = codeError{fmt.Errorf("interrupted: %s", outcome), exitInterrupted}
		}
		return err
	}
}

// progress shows how far work in place is, and is what stops it.
func (s *stopper) progress(w io.Writer, what string, quiet bool) (tell func(done, all uint64) error, end func()) {
	p := output.NewProgress(w, what, quiet)
	return func(done, all uint64) error {
		p.Bytes(done, all)
		if s.asked.Load() {
			return errStopped
		}
		return nil
	}, p.End
}
